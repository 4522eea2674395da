"""The sample: the same bytes for a seed, all or nothing, and cameras that differ in traces only."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pushfit.commands.samples import main
from pushfit.errors import ConfigError, OutputError
from pushfit.samples import cameras, photos, scenes
from pushfit.samples.photos import Plan, make

SMALL = Plan(train=2, val=1, height=96, width=128)


def digest(folder: Path) -> str:
    """SHA-256 over every path and byte below `folder`."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        total.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "deep" / "sample"
    assert make(out, SMALL)
    return out


def test_layout(made: Path) -> None:
    names = sorted(camera.name for camera in cameras.CAMERAS)
    assert sorted(p.name for p in made.iterdir()) == ["sample.json", "train", "val_images"]
    for split, count in (("train", 2), ("val_images", 1)):
        assert sorted(p.name for p in (made / split).iterdir()) == names
        for name in names:
            photos = sorted((made / split / name).iterdir())
            assert [p.name for p in photos] == [f"{n:03}.jpg" for n in range(1, count + 1)]
            with Image.open(photos[0]) as image:
                assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (128, 96))
    assert [p.name for p in made.parent.iterdir()] == ["sample"], "the working folder is gone"


def test_same_seed_same_bytes_and_another_seed_others(made: Path, tmp_path: Path) -> None:
    make(tmp_path / "again", SMALL)
    make(tmp_path / "other", Plan(seed=1, train=2, val=1, height=96, width=128))
    assert digest(tmp_path / "again") == digest(made)
    photos = {
        hashlib.sha256(path.read_bytes()).digest()
        for folder in (made, tmp_path / "other")
        for path in folder.rglob("*.jpg")
    }
    assert len(photos) == 2 * SMALL.photos, "no photo comes twice, within a seed or over two"


def test_train_and_val_share_no_scene(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Their generators differ, though both splits start counting at the first scene."""
    drawn: list[bytes] = []
    draw = scenes.draw

    def spy(kind: str, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        scene = draw(kind, rng, height, width)
        drawn.append(scene.tobytes())
        return scene

    monkeypatch.setattr(scenes, "draw", spy)
    make(tmp_path / "sample", Plan(train=3, val=3, height=64, width=64))
    assert len(drawn) == len(set(drawn)) == 6


def test_a_complete_sample_is_kept(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*")}
    assert not make(made, SMALL)
    flags = ["--train", "2", "--val", "1", "--height", "96", "--width", "128"]
    assert main(["--out", str(made), *flags]) == 0
    assert "already there" in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in made.rglob("*")}


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    assert make(tmp_path, SMALL)
    assert (tmp_path / "sample.json").is_file()


@pytest.mark.parametrize("content", [None, "not JSON", '["a list"]'])
def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, content: str | None) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    if content is not None:
        (tmp_path / "sample.json").write_text(content)
    with pytest.raises(OutputError, match="--out"):
        make(tmp_path, SMALL)
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_another_sample_is_named_by_what_differs(made: Path) -> None:
    with pytest.raises(OutputError, match=r"seed is 0 there, not 5.*remove it"):
        make(made, Plan(seed=5, train=2, val=1, height=96, width=128))


def test_a_sample_that_lost_photos_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "sample"
    make(out, SMALL)
    (out / "train" / cameras.CAMERAS[0].name / "002.jpg").unlink()
    with pytest.raises(OutputError, match="lacks 1 of 18 photos"):
        make(out, SMALL)


def test_a_file_in_the_way(tmp_path: Path) -> None:
    out = tmp_path / "file"
    out.write_text("precious")
    with pytest.raises(OutputError, match="is a file"):
        main(["--out", str(out)])
    with pytest.raises(OutputError, match="cannot write"):
        main(["--out", str(out / "below")])


def test_an_interrupted_run_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = 0

    def interrupted(*_: object) -> bytes:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt
        return b""

    monkeypatch.setattr(cameras.Camera, "photograph", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "sample", SMALL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("field", "value"), [("seed", -1), ("train", 0), ("val", 0), ("height", 62), ("width", 129)]
)
def test_values_that_make_no_sample(field: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"--{field}.*{value}"):
        Plan(**{field: value})


def test_generators_differ_by_every_number() -> None:
    """Also by trailing zeros, which numpy alone would ignore."""
    keys = [(0,), (1,), (0, 0), (0, 1), (1, 0), (0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)]
    firsts = {photos._rng(SMALL, len(key) - 1, *key).random() for key in keys}
    assert len(firsts) == len(keys)


@pytest.mark.parametrize("kind", scenes.KINDS)
def test_scenes_are_light_of_the_same_mean(kind: str) -> None:
    scene = scenes.draw(kind, np.random.default_rng(3), 90, 120)
    assert scene.shape == (90, 120, 3)
    assert scene.dtype == np.float32
    assert scene.min() >= 0
    assert scene.mean() == pytest.approx(scenes.MEAN, rel=1e-3)
    assert scene.std() > 0.03, "there is something to see"


METHODS = [
    cameras.nearest,
    cameras.bilinear,
    cameras.constant_hue,
    cameras.edge_aware,
    cameras.malvar,
]


@pytest.mark.parametrize("layout", ["RGGB", "BGGR", "GRBG", "GBRG"])
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
def test_demosaicing(method: cameras.Demosaic, layout: str) -> None:
    """A flat colour comes back exactly, and a ramp nearly: no layout is taken for another."""
    ramp = np.linspace(0.2, 0.6, 24, dtype=np.float32)
    colour = np.array([1.0, 0.5, 0.25], np.float32)
    for scene, tolerance in (
        (np.broadcast_to(colour, (16, 24, 3)), 1e-6),
        (ramp[:, None] * colour + np.zeros((16, 1, 1), np.float32), 0.03),
    ):
        mosaic = np.empty((16, 24), np.float32)
        for name, sites in cameras.sites_of(layout):
            mosaic[sites] = scene[sites][..., "RGB".index(name)]
        image = method(mosaic, layout)
        assert image.dtype == np.float32
        inner = (slice(2, -2), slice(2, -2))
        np.testing.assert_allclose(image[inner], scene[inner], atol=tolerance)


def test_blur_keeps_the_mean_and_smooths() -> None:
    noise = np.random.default_rng(0).random((40, 50, 2), dtype=np.float32)
    smooth = cameras.blur(noise, 1.0)
    assert smooth.shape == noise.shape
    assert smooth.mean() == pytest.approx(noise.mean(), abs=0.01)
    assert smooth.std() < 0.5 * noise.std()


def test_colour_and_brightness_do_not_tell_the_cameras_apart() -> None:
    """Photographed alike, a scene has nearly the same mean colour from every camera."""
    scene = scenes.draw("landscape", np.random.default_rng(1), 128, 160)
    means = []
    for camera in cameras.CAMERAS:
        pattern = camera.sensitivity(np.random.default_rng(0), 128, 160)
        jpeg = camera.photograph(scene, pattern, np.random.default_rng(2))
        with Image.open(io.BytesIO(jpeg)) as image:
            means.append(np.asarray(image).mean(axis=(0, 1)))
    assert np.ptp(means, axis=0).max() < 6


def test_every_camera_has_its_own_tables_and_works_in_its_own_way() -> None:
    known = cameras.CAMERAS
    assert len({camera.name for camera in known}) == len(known) == 6
    ways = {(c.layout, c.demosaic, c.sharpen, c.quality, c.subsampling) for c in known}
    assert len(ways) == len(known)


def test_the_mark_says_that_it_is_simulated(made: Path) -> None:
    assert "simulated" in json.loads((made / "sample.json").read_text())["note"]
