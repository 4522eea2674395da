"""A folder of links, and the report of ``pushfit config``."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.lab.processes import ROOT
from pushfit.commands.config import main
from pushfit.host_facts import Machine
from pushfit.settings import links

PC, BOX = Machine("desk-1"), Machine("0123456789ab", "its name is 12 hexadecimal digits")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("PUSHFIT_LINKS", "PUSHFIT_TASK"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "photos/iPhone-6").mkdir(parents=True)
    (tmp_path / "none").mkdir()
    (tmp_path / "note.txt").touch()
    made = tmp_path / "links"
    made.mkdir()
    (made / "train").symlink_to(tmp_path / "photos")
    (made / "flickr_images").symlink_to(tmp_path / "gone")
    (made / "val_images").symlink_to(tmp_path / "none")
    (made / "more").symlink_to(tmp_path / "note.txt")
    (made / "loop").symlink_to(made / "loop")
    return made


def test_the_state_of_every_link(folder: Path) -> None:
    found = {link.name: link for link in links.inspect(folder, PC)}
    assert {name: link.state for name, link in found.items()} == {
        "train": "fine",
        "flickr_images": "dangling",
        "val_images": "empty",
        "test": "missing",
        "more": "a file",
        "loop": "unreadable",
    }
    assert found["train"].entries == 1
    assert found["train"].target == str(folder.parent / "photos")


def test_only_what_is_needed_must_be_mounted_into_a_container(folder: Path) -> None:
    for name in ("train", "val_images"):
        (folder / name).unlink()
        (folder / name).symlink_to(f"/data/no-such-mount/{name}")
    found = {link.name: link for link in links.inspect(folder, BOX)}
    assert found["train"].state == found["val_images"].state == "not mounted"
    assert found["train"].wrong and not found["val_images"].wrong
    assert found["flickr_images"].state == "dangling"  # it does not point to a mount
    assert links.look(folder / "val_images", PC).wrong


def test_a_folder_of_links_that_is_not_there(tmp_path: Path) -> None:
    found = links.inspect(tmp_path / "no", PC)
    assert {link.state for link in found} == {"missing"}


def test_the_command_that_mends_a_link(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    wrong = links.look(folder / "flickr_images", PC)
    assert links.mend(wrong, PC) == "ln -sfn /path/to/your/flickr_images links/flickr_images"
    inside = links.Link(ROOT / "dockerlinks/train", "/data/train", "dangling")
    assert links.mend(inside, BOX) == "-v /path/to/your/train:/data/train:ro"
    assert links.mend(inside, PC).startswith("ln -sfn")
    assert links.mend(links.look(folder / "loop", BOX), PC).startswith("sudo chmod")


def test_the_repositorys_own_links() -> None:
    """On a host a dangling link is an error, so only what a container may mount has all names."""
    for name, root in (("dockerlinks", "/data"), ("nvmelinks", "/nvme")):
        names = links.LINKS if name == "dockerlinks" else {*links.SHOWN, links.WRITTEN}
        want = {link: f"{root}/{link}" for link in names}
        assert {p.name: str(p.readlink()) for p in (ROOT / name).iterdir()} == want


def test_a_dangling_link_is_wrong_and_a_missing_one_is_not(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--links", str(folder)]) == 2  # training would refuse the dangling link as well
    text = capsys.readouterr().out
    assert "WRONG  flickr_images" in text and "points to nothing (extra training photos)" in text
    assert "Or train without it: rm " in text
    (folder / "flickr_images").unlink()
    assert main(["--links", str(folder)]) == 0
    text = capsys.readouterr().out
    assert "1 entry" in text
    assert "is not there (extra training photos)" in text
    assert "command line" in text
    assert "batch_size" not in text


def test_a_bad_folder_is_reported_with_exit_code_2_and_a_command(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "train").unlink()
    assert main(["--links", str(folder), "--all", "--patch=64"]) == 2
    text = capsys.readouterr().out
    assert f"ln -sfn /path/to/your/train {folder}/train" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["patch", "64", "command", "line", "train", "sink"] in rows
    assert ["hash", "yes", "default", "sink"] in rows


def test_a_missing_folder_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--links", str(tmp_path / "no")]) == 2
    assert "mkdir -p" in capsys.readouterr().out
