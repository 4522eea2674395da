"""--links, as people get it wrong: what was meant is said, under the flag's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pushfit import archives, links
from pushfit.errors import DataError
from pushfit.tasks import folders


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """DIR/train/cat and DIR/train/dog, in a folder of several."""
    for name in ("cat", "dog"):
        (tmp_path / "photos" / "train" / name).mkdir(parents=True)
    (tmp_path / "photos" / "labels.csv").write_text("a")
    (tmp_path / "videos").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("photos/labels.csv", "is a file: give the folder that it lies in, --links {0}/photos"),
        ("photo", "does not exist, did you mean 'photos'?"),
        ("phtos/train", "does not exist, did you mean 'photos'?"),
        ("photos/trian", "does not exist, did you mean 'train'?"),
        ("elsewhere", "does not exist: it is the folder that holds your data"),
        ("photos/labels.csv/x", "a part of the path is a file"),
    ],
)
def test_what_is_not_a_folder(data: Path, typed: str, said: str) -> None:
    with pytest.raises(DataError) as raised:
        links.check(data / typed)
    text = str(raised.value)
    assert text.startswith(f"--links {data / typed}")
    assert said.format(data) in text or typed.endswith("/x")


def test_a_dangling_link(data: Path) -> None:
    (data / "link").symlink_to("/nowhere")
    with pytest.raises(DataError, match="link is a dangling link: its target /nowhere is not on"):
        links.check(data / "link")


def test_the_folder_of_the_classes_itself(data: Path) -> None:
    with pytest.raises(DataError, match=rf"there is no train .*did you mean --links {data}/photos"):
        folders.scan(data / "photos" / "train")


def test_an_archive_that_nobody_has_unpacked(data: Path) -> None:
    (data / "videos" / "cats-and-dogs.ZIP").touch()
    with pytest.raises(DataError, match=r"an archive in it, cats-and-dogs\.ZIP: unpack it with"):
        folders.scan(data / "videos")
    (data / "videos" / "train").mkdir()
    shard = data / "videos" / "train" / "0.tar"
    shard.touch()
    with pytest.raises(
        DataError, match=rf"train holds no folders: .* 0\.tar: unpack .*tar -xf {shard}"
    ):
        folders.scan(data / "videos")
    archive = data / "videos" / "cats-and-dogs.ZIP"
    with pytest.raises(DataError, match=f"is an archive: unpack it with `unzip {archive} -d"):
        links.check(archive)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("a.zip", "unzip /data/a.zip -d /data"),
        ("my cats.zip", "unzip '/data/my cats.zip' -d /data"),
        ("a.TAR.GZ", "tar -xf /data/a.TAR.GZ -C /data"),
        ("a.tgz", "tar -xf /data/a.tgz -C /data"),
        ("a.7z", "7z x /data/a.7z -o/data"),
        ("a.csv.gz", ""),
        ("zip", ""),
    ],
)
def test_the_command_that_unpacks(name: str, command: str) -> None:
    assert archives.unpacking(Path("/data") / name) == command


def test_a_folder_of_nearly_that_name(data: Path) -> None:
    (data / "videos" / "Training").mkdir()
    with pytest.raises(DataError, match=r"did you mean 'Training'.* have to be called train, val"):
        folders.scan(data / "videos")
