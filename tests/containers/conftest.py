"""The images, built once; a trainer's folder of keys and its volume, as containers need them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.lab import hosts
from bench.lab.hosts import Lab
from pushfit.wire.keys import KeyFolder
from tests.containers import engine
from tests.containers.engine import build, podman
from tests.support.images import USER
from tests.support.photos import write_photos


@pytest.fixture(scope="session")
def images() -> tuple[str, str]:
    """(generator, trainer), built from the working tree."""
    with engine.alone():
        if reason := engine.why_not():
            pytest.skip(reason)
        built = build("generator"), build("trainer")
        podman("image", "prune", "--force")  # those of sources and requirements before these
        return built


@pytest.fixture
def lab() -> Iterator[Lab]:
    if reason := hosts.why_not():
        pytest.skip(reason)
    with Lab("gpu", "cpu-a", "cpu-b") as made:
        yield made


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A trainer's folder with a key for generators called `boxes`, owned by the images' user."""
    folder = tmp_path / "keys"
    KeyFolder(folder, make=True).make("boxes")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, USER, USER)
    return folder


@pytest.fixture
def volume() -> Iterator[tuple[str, Path]]:
    """(name, where its files are on this host) of an empty volume."""
    name = f"pushfit-test-{uuid.uuid4().hex[:8]}"
    podman("volume", "create", name)
    yield name, Path(podman("volume", "inspect", "--format", "{{.Mountpoint}}", name).strip())
    podman("volume", "rm", "--force", name)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_photos(tmp_path / "photos", train=24)
