"""podman as the tests use it: with a store of its own, without a registry, without systemd.

    reason = why_not()                  what keeps this machine from running containers, or ""
    build("trainer")                    a target of the Dockerfile; only what changed is built anew
    with Box("trainer", …) as box: …    one container, gone at the end

- Everything lives in ~/.cache/pushfit/containers, so that a later run finds the base image and the
  libraries of each target, and the user's own images are left alone.
- Where no registry can be reached, `debootstrap` makes the base image: Debian's Python in a
  virtual environment at /usr/local, laid out and sized as the official slim image. It gets this
  host's certificates and pip's configuration, since they decide where packages come from here.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from bench.lab.processes import ROOT

FOLDER = Path.home() / ".cache" / "pushfit" / "containers"
BASE = next(
    line.partition("=")[2]
    for line in (ROOT / "Dockerfile").read_text().splitlines()
    if line.startswith("ARG BASE=")
)
TOOLS = ("podman", "runc", "conmon", "catatonit")
DEBIAN = "bookworm"  # its Python is that of BASE
PACKAGES = "ca-certificates,python3,python3-venv"
NEEDLESS = ("var/cache/apt", "var/lib/apt/lists")
NEEDLESS += tuple(f"usr/share/{name}" for name in ("doc", "man", "locale"))
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
BUILD_SECONDS = 1200

CONTAINERS_CONF = """[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
[network]
network_config_dir = "{folder}/networks"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
volume_path = "{folder}/volumes"
"""
STORAGE_CONF = """[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "/run/pushfit-containers"
"""


@cache
def environment() -> dict[str, str]:
    """The environment in which podman uses our store."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    files = {"CONTAINERS_CONF": CONTAINERS_CONF, "CONTAINERS_STORAGE_CONF": STORAGE_CONF}
    for name, text in files.items():
        (FOLDER / name).write_text(text.format(folder=FOLDER))
    return {**os.environ, **{name: str(FOLDER / name) for name in files}}


def podman(*words: object, seconds: float = 120) -> str:
    """The output of a podman command that must succeed."""
    done = attempt(*words, seconds=seconds)
    assert done.returncode == 0, f"podman {words}:\n{done.stdout}{done.stderr}"
    return done.stdout


def attempt(*words: object, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["podman", *map(str, words)], env=environment(),
        capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip


def said(name: str) -> str:
    """What a container has said so far."""
    done = attempt("logs", name)
    return done.stdout + done.stderr


@cache
def why_not() -> str:
    """What keeps this machine from running containers, or ``""``."""
    if os.geteuid() != 0:
        return "containers on test hosts need root"
    if missing := [tool for tool in TOOLS if not _find(tool)]:
        return f"{', '.join(missing)} missing: apt install podman runc catatonit netavark"
    if reason := _base():
        return reason
    tried = attempt("run", "--rm", "--network", "none", BASE, "python", "-c", "print(6 * 7)")
    return "" if tried.stdout.strip() == "42" else f"podman run: {tried.stderr.strip()[-500:]}"


def _find(tool: str) -> str | None:
    elsewhere = "/usr/libexec/podman:/usr/lib/podman"
    return shutil.which(tool) or shutil.which(tool, path=elsewhere)


def _base() -> str:
    """Sees to it that there is an image BASE; returns why there is none, or ``""``."""
    if attempt("image", "exists", BASE).returncode == 0:
        return ""
    if not shutil.which("debootstrap"):
        pulled = attempt("pull", "--quiet", f"docker.io/library/{BASE}")
        return (
            "" if pulled.returncode == 0 else "no registry is reached, and debootstrap is missing"
        )
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        root = Path(folder) / "root"
        try:
            _bootstrap(root)
        except subprocess.CalledProcessError as error:
            return f"{error.cmd[0]}: {(error.stderr or error.stdout).decode()[-500:]}"
        archive = Path(folder) / "base.tar"
        subprocess.run(["tar", "-C", root, "-cf", archive, "."], check=True)
        podman("import", archive, f"localhost/{BASE}")
    return ""


def _bootstrap(root: Path) -> None:
    """A Debian with Python at `root`. Raises CalledProcessError."""

    def run(*words: object) -> None:
        command = [str(word) for word in words]
        subprocess.run(command, check=True, capture_output=True, timeout=BUILD_SECONDS)

    run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", DEBIAN, root)
    run("chroot", root, "python3", "-m", "venv", "/usr/local")
    for name in NEEDLESS:
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name).mkdir(parents=True, exist_ok=True)
    for compiled in root.rglob("__pycache__"):
        shutil.rmtree(compiled)
    shutil.copy(Path("/") / CERTIFICATES, root / CERTIFICATES)
    pip = subprocess.run(["pip", "config", "list"], capture_output=True, text=True, check=False)
    index = re.findall(r"^global\.(index-url)='(.*)'$", pip.stdout, re.MULTILINE)
    lines = ["[global]", f"cert = /{CERTIFICATES}", *(f"{key} = {value}" for key, value in index)]
    (root / "etc/pip.conf").write_text("\n".join(lines) + "\n")


@contextmanager
def alone() -> Iterator[None]:
    """One process at a time: tests that run side by side would each make the same base image."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(target: str) -> str:
    """The name of the image of `target`, built from the working tree."""
    name = f"localhost/pushfit-{target}"
    context = ("--network", "host", "--format", "docker", "--target", target, "--tag", name, ROOT)
    podman("build", "--quiet", *context, seconds=BUILD_SECONDS)
    return name


def megabytes(image: str) -> dict[str, float]:
    """What `image` takes in all, and the base image that it stands on."""
    size = {name: json.loads(podman("image", "inspect", name))[0]["Size"] for name in (image, BASE)}
    return {"image": size[image] / 1e6, "base": size[BASE] / 1e6}
