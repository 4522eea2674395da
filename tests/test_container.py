"""What is said in a container, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from pushfit import container, host_facts
from pushfit.errors import DataError
from pushfit.host_facts import Machine
from pushfit.tasks import folders
from tests.support.photos import write_photos

GONE = "/data/no-such-mount"


@pytest.fixture
def boxed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_facts, "this_machine", lambda: Machine("box", "/.dockerenv exists"))


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_facts, "this_machine", lambda: Machine("desk-1"))


@pytest.mark.usefixtures("bare")
def test_a_host_is_told_nothing_of_containers(tmp_path: Path) -> None:
    (tmp_path / "train").symlink_to(f"{GONE}/train")
    assert container.unmounted(tmp_path / "train") == ""
    assert container.key_owner(1000, 1000) == container.no_keys(tmp_path) == ""
    assert container.volume(tmp_path) == container.fleeting(tmp_path) == ""
    assert container.unreached(True, 1, 2) == ""
    assert container.unanswered("127.0.0.1", 5, True) == (
        "If the trainer is in a container, publish both its ports: -p 5:5 -p 6:6"
    )


@pytest.mark.usefixtures("boxed")
def test_what_was_not_mounted(tmp_path: Path) -> None:
    links = write_photos(tmp_path / "links")
    (links / "flickr_images").symlink_to(f"{GONE}/flickr_images")
    assert len(folders.scan(links).splits["train"]) == 8  # an optional folder, left out
    (links / "train").rename(links / "moved")
    (links / "train").symlink_to(f"{GONE}/train")
    with pytest.raises(DataError, match=rf"nothing is mounted at {GONE}/train.*-v /path/to/your/"):
        folders.scan(links)
    (links / "flickr_images").unlink()
    (links / "flickr_images").symlink_to(tmp_path / "gone")  # nobody mounts that
    (links / "train").unlink()
    (links / "moved").rename(links / "train")
    with pytest.raises(DataError, match="dangling link"):
        folders.scan(links)


@pytest.mark.usefixtures("bare")
def test_on_a_host_an_optional_link_that_dangles_is_an_error(tmp_path: Path) -> None:
    links = write_photos(tmp_path / "links")
    (links / "flickr_images").symlink_to(f"{GONE}/flickr_images")
    with pytest.raises(DataError, match="dangling link"):
        folders.scan(links)


@pytest.mark.usefixtures("boxed")
def test_keys_ports_and_volumes() -> None:
    assert "--user 1000:1001 (compose: PUSHFIT_UID=1000 PUSHFIT_GID=1001)" in (
        container.key_owner(1000, 1001)
    )
    assert "mode=0400" in container.key_owner(0, 0)
    assert ":/app/keys:ro" in container.no_keys(Path("/app/keys"))
    assert "-v runs:/app/runs" in container.volume(Path("/app/runs"))
    alone = container.unreached(True, 12001, 12002)
    assert "--bind tcp://0.0.0.0:12001" in alone and "-p 12001:12001 -p 12002:12002" in alone
    assert "--bind" not in container.unreached(False, 12001, 12002)
    assert "--connect tcp://trainer:12001" in container.unanswered("127.0.0.1", 12001, True)
    assert container.fleeting(Path("/proc")) == ""  # another file system than the root
