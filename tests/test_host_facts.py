"""What this host is."""

from __future__ import annotations

from pathlib import Path

import pytest

from pushfit import host_facts
from pushfit.settings import stream


@pytest.mark.parametrize("mark", [".dockerenv", "run/.containerenv"])
def test_a_mark_makes_a_container(tmp_path: Path, mark: str) -> None:
    assert host_facts.container_reason("node-1", tmp_path) == ""
    (tmp_path / mark).parent.mkdir(exist_ok=True)
    (tmp_path / mark).touch()
    assert host_facts.container_reason("node-1", tmp_path) == f"/{mark} exists"


def test_an_image_may_say_that_it_is_one(tmp_path: Path) -> None:
    """Kubernetes leaves no mark, nor does Podman where the root is read-only."""
    assert host_facts.container_reason("pod-1", tmp_path, {"container": ""}) == ""
    reason = host_facts.container_reason("pod-1", tmp_path, {"container": "oci"})
    assert reason == "its environment has container=oci"


@pytest.mark.parametrize(
    ("name", "is_container"),
    [("0123456789ab", True), ("0123456789abc", False), ("0123456789aX", False), ("gpu", False)],
)
def test_a_name_of_12_hex_digits_makes_a_container(
    tmp_path: Path, name: str, is_container: bool
) -> None:
    assert bool(host_facts.container_reason(name, tmp_path)) is is_container


def test_memory_is_the_lower_of_machine_and_control_group(tmp_path: Path) -> None:
    machine = host_facts.memory_bytes(tmp_path)
    limit = tmp_path / "sys/fs/cgroup/memory.max"
    limit.parent.mkdir(parents=True)
    limit.write_text("max\n")
    assert host_facts.memory_bytes(tmp_path) == machine
    limit.write_text("1048576\n")
    assert host_facts.memory_bytes(tmp_path) == 2**20


@pytest.mark.parametrize(
    ("mine", "limit"),
    [
        ("0::/slurmstepd.scope/job_7/step_batch", "slurmstepd.scope/job_7/memory.max"),
        ("9:cpu:/x\n4:memory:/slurm/job_7\n0::/", "memory/slurm/job_7/memory.limit_in_bytes"),
    ],
)
def test_the_limit_of_a_job_counts_wherever_it_stands(
    tmp_path: Path, mine: str, limit: str
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(mine + "\n")
    machine = host_facts.memory_bytes(tmp_path)
    file = tmp_path / "sys/fs/cgroup" / limit
    file.parent.mkdir(parents=True)
    file.write_text("1048576\n")
    assert host_facts.memory_bytes(tmp_path) == 2**20 < machine


def test_the_default_buffer_is_a_share_of_memory() -> None:
    assert 0 < stream.StreamSettings().buffer_bytes <= 4 * 2**30
    assert stream.StreamSettings(buffer=5).buffer_bytes == 5
