"""Where tar files are found, and what beside them is refused or counted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pushfit.errors import DataError
from pushfit.tasks import tar_files
from pushfit.tasks.folders import Leftovers
from pushfit.tasks.tar_files import Held

TRAIN = ("train",)


def touch(links: Path, *names: str) -> Path:
    for name in names:
        (links / name).parent.mkdir(parents=True, exist_ok=True)
        (links / name).touch()
    return links


def test_tar_files_are_found_in_folders_of_folders(tmp_path: Path) -> None:
    touch(tmp_path, "train/b.tar", "train/b/2.TAR", "train/b/deep/er/1.tar", "train/.x/3.tar")
    touch(tmp_path, "train/b/index.json", "train/.4.tar", "more/5.tar")
    (tmp_path / "train" / "linked").symlink_to(tmp_path / "more")
    (tmp_path / "train" / "b" / "circle").symlink_to(tmp_path / "train")
    left = Leftovers()
    assert tar_files.held(tmp_path, TRAIN).tar
    found = tar_files.below(tmp_path, TRAIN, left)
    assert found == ["train/b.tar", "train/b/2.TAR", "train/b/deep/er/1.tar", "train/linked/5.tar"]
    assert {each.reason for each in left.listed()} == {
        "beside tar files, and not one",
        "a link to a folder that it is in",
    }


def test_tar_files_are_in_the_order_of_their_records(tmp_path: Path) -> None:
    names = ["train/a.tar", "train/a.tar0/1.tar", "train/a/1.tar", "train/a-b.tar"]
    touch(tmp_path, *names)
    found = tar_files.below(tmp_path, TRAIN, Leftovers())
    records = [f"{name}@000000000512/1.jpg" for name in found]
    assert sorted(found) == sorted(names) and records == sorted(records)


@pytest.mark.parametrize(
    ("names", "held"),
    [
        ((), Held()),
        (("train/x.tar",), Held(tar="train/x.tar")),
        (("train/x/y/z.tar",), Held(tar="train/x/y/z.tar")),
        (("train/cat/1.jpg",), Held(photos="train/cat")),
        (("train/cat/deep/1.webp",), Held(photos="train/cat")),
        (("train/cat/no-ending",), Held(photos="train/cat")),
        (("train/cat/1.jpg", "train/cat/left.tar"), Held(photos="train/cat")),
        (("train/notes.txt", "train/empty/.hidden"), Held()),
    ],
)
def test_what_a_folder_holds(tmp_path: Path, names: tuple[str, ...], held: Held) -> None:
    touch(tmp_path, *names)
    found = tar_files.held(tmp_path, TRAIN)
    assert (bool(found.tar), bool(found.photos)) == (bool(held.tar), bool(held.photos))
    assert found.tar == held.tar
    assert found.photos.startswith(held.photos)


def test_shards_beside_folders_of_photos(tmp_path: Path) -> None:
    touch(tmp_path, "train/x/1.tar", "train/cat/1.jpg")
    with pytest.raises(DataError, match=r"train/x/1\.tar is a tar shard, and .*train/cat a folder"):
        tar_files.held(tmp_path, TRAIN)


def test_compressed_tar_files(tmp_path: Path) -> None:
    touch(tmp_path, "train/cat/1.jpg", "train/all.tgz")
    assert tar_files.held(tmp_path, TRAIN).photos == "train/cat", "what is left does no harm"
    (tmp_path / "train" / "cat" / "1.jpg").unlink()
    (tmp_path / "train" / "cat").rmdir()
    with pytest.raises(DataError, match=r"make it a plain tar file with `gunzip .*train/all\.tgz`"):
        tar_files.held(tmp_path, TRAIN)
    touch(tmp_path, "val/sub/1.tar.gz", "val/0.tar")
    with pytest.raises(DataError, match=r"1\.tar\.gz is compressed"):
        tar_files.below(tmp_path, ("val",), Leftovers())


def test_tar_files_that_are_not_there_or_not_files(tmp_path: Path) -> None:
    touch(tmp_path, "train/a.tar")
    os.mkfifo(tmp_path / "train" / "pipe.tar")
    left = Leftovers()
    assert tar_files.below(tmp_path, TRAIN, left) == ["train/a.tar"]
    assert [each.first for each in left.listed()] == ["train/pipe.tar"]
    (tmp_path / "train" / "gone.tar").symlink_to("/nowhere/x.tar")
    for search in (tar_files.held, lambda links, roots: tar_files.below(links, roots, left)):
        with pytest.raises(DataError, match=r"gone\.tar is a dangling link: its target /nowhere"):
            search(tmp_path, TRAIN)


def test_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "train/a.tar")

    def deny(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(tar_files.os, "scandir", deny)
    with pytest.raises(DataError, match=r"train cannot be read: .*Permission denied"):
        tar_files.held(tmp_path, TRAIN)
