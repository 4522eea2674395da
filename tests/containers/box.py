"""One container of a test, as a user would run it, and what it says."""

from __future__ import annotations

import re
import uuid
from types import TracebackType

from bench.lab.processes import LONG, until
from tests.containers.engine import attempt, podman, said

SHUT = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--no-healthcheck")


class Box:
    """Context manager. words: options of `podman run`, the image, its command.

    It runs with a root file system that cannot be written to, and with no privilege at all.
    """

    def __init__(self, *words: object) -> None:
        self.name, self.words = f"pushfit-test-{uuid.uuid4().hex[:8]}", words

    def __enter__(self) -> Box:
        podman("run", "--detach", "--name", self.name, *SHUT, *self.words)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        attempt("rm", "--force", "--time", 0, "--volumes", self.name)

    @property
    def output(self) -> str:
        return said(self.name)

    @property
    def exit_code(self) -> int | None:
        """Of the container, once it has ended."""
        # Not `inspect`: it reads the process's cgroup, and fails in the instant in which that ends.
        which = ("--all", "--filter", f"name=^{self.name}$", "--filter", "status=exited")
        code = podman("ps", *which, "--format", "{{.ExitCode}}").strip()
        return int(code) if code else None

    @property
    def ended(self) -> bool:
        return self.exit_code is not None

    def wait_for(self, pattern: str, seconds: float = LONG) -> None:
        until(lambda: bool(re.search(pattern, self.output)) or self.ended, seconds)
        assert re.search(pattern, self.output), f"no {pattern!r} in:\n{self.output}"

    def done(self, code: int = 0, seconds: float = LONG) -> str:
        """Wait for its end with exit code `code`; returns what it said."""
        assert until(lambda: self.ended, seconds), f"did not end:\n{self.output}"
        assert self.exit_code == code, f"exit code {self.exit_code}:\n{self.output}"
        return self.output

    def health(self) -> tuple[bool, str]:
        """What the image's own health check says now."""
        image = podman("inspect", "--format", "{{.ImageName}}", self.name).strip()
        check = podman("image", "inspect", "--format", "{{json .HealthCheck.Test}}", image)
        words = re.findall(r'"(.*?)"', check)
        assert words[0] == "CMD"
        done = attempt("exec", self.name, *words[1:])
        return done.returncode == 0, done.stdout.strip()

    def stop(self) -> None:
        """As `docker stop`: SIGTERM, and SIGKILL to what is still there after a while."""
        podman("stop", "--time", 30, self.name)
