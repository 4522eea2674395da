"""A part of a JPEG has the whole one's pixels, and no damage passes that the whole would show."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from pushfit.decoding import images, turbojpeg
from pushfit.errors import BadRecord
from pushfit.tasks.base import TRAIN, VAL, Record
from pushfit.tasks.camera.manipulations import KNOWN
from pushfit.tasks.camera.params import FEW, CameraParams
from pushfit.tasks.camera.task import CameraTask
from tests.support.scenes import scene

pytestmark = pytest.mark.skipif(
    turbojpeg._library() is None, reason="no libturbojpeg 3 here (pip install turbojpeg)"
)

RECORD = Record("train/a/1.jpg", 0, 1)


def jpeg(photo: np.ndarray, subsampling: str = "4:2:0", mode: str = "RGB", **options: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(photo).convert(mode).save(out, "JPEG", subsampling=subsampling, **options)
    return out.getvalue()


def part(data: bytes, box: turbojpeg.Box) -> np.ndarray | None:
    return images.decode_part(data, lambda _width, _height: box)


PHOTOS = {
    (mode, subsampling, size): jpeg(scene(*size), subsampling, mode, quality=quality)
    for (mode, subsampling), size, quality in itertools.product(
        [("RGB", s) for s in ("4:4:4", "4:2:2", "4:2:0", "4:1:1")] + [("L", "4:2:0")],
        [(257, 390), (320, 256)],
        [88],
    )
}


@settings(max_examples=300)
@example(kind=("RGB", "4:1:1", (320, 256)), across=(0.0, 1 / 256), down=(0.0, 1.0))  # one column
@given(
    kind=st.sampled_from(sorted(PHOTOS)),
    across=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    down=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_the_part_has_the_pixels_of_the_whole(
    kind: tuple[str, str, tuple[int, int]], across: tuple[float, float], down: tuple[float, float]
) -> None:
    data, (height, width) = PHOTOS[kind], kind[2]
    left, right = sorted(round(share * width) for share in across)
    top, bottom = sorted(round(share * height) for share in down)
    if left == right or top == bottom:
        return
    photo = part(data, (left, top, right, bottom))
    if photo is None:  # only where next to all of it is asked for
        assert (right - left + 2 * turbojpeg.BLOCK + 1) * (
            height - top
        ) > turbojpeg.MOST * width * height
        return
    whole = images.decode(data)
    assert photo.shape == whole.shape
    assert np.array_equal(photo[top:bottom, left:right], whole[top:bottom, left:right])


def test_a_rectangle_of_numpys_numbers() -> None:
    data = PHOTOS["RGB", "4:2:0", (257, 390)]
    whole = part(data, (10, 20, 90, 100))
    drawn = part(data, tuple(np.array([10, 20, 90, 100])))
    assert whole is not None and drawn is not None
    np.testing.assert_array_equal(whole[20:100, 10:90], drawn[20:100, 10:90])


def test_damage_is_noticed_wherever_it_is() -> None:
    data = PHOTOS["RGB", "4:2:0", (320, 256)]
    rng = np.random.default_rng(4)
    box = (100, 20, 150, 70)
    assert part(data, box) is not None
    refused = 0
    for attempt in range(400):
        broken = bytearray(data)
        if attempt % 2:
            del broken[int(rng.integers(700, len(data))) :]
        else:
            at = int(rng.integers(2, len(data) - 8))
            broken[at : at + 8] = rng.bytes(8)
        try:
            whole = images.decode(bytes(broken))
        except BadRecord:
            refused += 1
            assert part(bytes(broken), box) is None, attempt
            continue
        photo = part(bytes(broken), box)
        if photo is not None:
            assert np.array_equal(photo[20:70, 100:150], whole[20:70, 100:150])
    assert refused > 200  # all the cuts, and some of the others


def test_what_it_does_not_decode() -> None:
    photo = scene(200, 300)
    box = (10, 10, 60, 60)
    assert part(jpeg(photo, progressive=1), box) is None
    assert part(jpeg(photo, mode="CMYK"), box) is None
    assert part(jpeg(photo)[:300], box) is None
    assert part(b"\x89PNG\r\n\x1a\n" + bytes(100), box) is None
    assert part(b"", box) is None
    assert part(jpeg(photo), (0, 0, 300, 200)) is None, "all of it"


@pytest.mark.parametrize("split", [TRAIN, VAL])
@pytest.mark.parametrize("count", [1, 2, FEW])
def test_the_samples_of_a_visit_are_those_of_the_whole_photo(split: str, count: int) -> None:
    task = CameraTask(CameraParams(patch=40, manipulated=0.8, flips=True, turns=True))
    data = jpeg(scene(640, 801), "4:2:2")
    whole = task.decode(data, RECORD)
    parts, seen = 0, set()
    for seed in range(60):

        def rngs(seed: int = seed) -> list[np.random.Generator]:
            return [np.random.Generator(np.random.Philox((seed, k))) for k in range(count)]

        item = task.decode_for(data, RECORD, split, iter(rngs()))
        parts += not np.array_equal(item, whole)
        for k, (mine, theirs) in enumerate(zip(rngs(), rngs(), strict=True)):
            ours = task.sample(item, RECORD, split, k, mine)
            full = task.sample(whole, RECORD, split, k, theirs)
            assert all(np.array_equal(ours[name], full[name]) for name in full)
            seen.add(int(full["manipulation"]))
    assert parts > 10
    assert len(seen) == 1 + len(KNOWN)


def test_many_patches_are_cut_from_the_whole_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "decode_part", lambda *_: pytest.fail("decoded in part"))
    data = jpeg(scene(200, 300))
    rngs = (np.random.default_rng(k) for k in range(FEW + 1))
    whole = CameraTask(CameraParams(patch=40)).decode_for(data, RECORD, TRAIN, rngs)
    assert np.array_equal(whole, images.decode(data))


def test_a_visit_to_a_bad_photo_says_what_is_bad() -> None:
    task = CameraTask(CameraParams(patch=100))
    for data, why in (
        (jpeg(scene(90, 300)), "smaller than"),
        (jpeg(scene(200, 300))[:-900], "ends"),
    ):
        with pytest.raises(BadRecord, match=why):
            task.decode_for(data, RECORD, TRAIN, iter([np.random.default_rng(0)]))


def test_a_tag_that_says_turn_me_turns_nothing() -> None:
    photo, exif = scene(201, 303), Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    out = io.BytesIO()
    Image.fromarray(photo).save(out, "JPEG", exif=exif)
    whole = images.decode(out.getvalue())
    assert whole.shape == (201, 303, 3)
    cut = part(out.getvalue(), (40, 30, 100, 90))
    assert cut is not None
    assert np.array_equal(cut[30:90, 40:100], whole[30:90, 40:100])


@pytest.mark.parametrize("size", [(1, 400), (400, 1), (17, 99), (63, 65), (65, 63)])
def test_the_last_pixel_of_odd_sizes(size: tuple[int, int]) -> None:
    height, width = size
    data = jpeg(scene(height, width))
    whole = images.decode(data)
    corner = part(data, (width - 1, height - 1, width, height))
    if height > 1:  # one row is all of it, or all but a few columns
        assert corner is not None
    assert corner is None or np.array_equal(corner[-1, -1], whole[-1, -1])


@pytest.mark.parametrize("interval", [1, 7])
def test_restart_markers(interval: int) -> None:
    data = jpeg(scene(257, 390), restart_marker_blocks=interval)
    whole, cut = images.decode(data), part(data, (100, 50, 160, 110))
    assert cut is not None
    assert np.array_equal(cut[50:110, 100:160], whole[50:110, 100:160])
    last = data.rindex(b"\xff", 0, -2)  # the last marker, far below the rectangle
    lost = data[: last + 1] + bytes([0xD0 + (data[last + 1] - 0xD0 + 3) % 8]) + data[last + 2 :]
    with pytest.raises(BadRecord):
        images.decode(lost)
    assert part(lost, (100, 50, 160, 110)) is None


class _Old:
    """libturbojpeg 2: it loads, and has none of the functions."""


@pytest.mark.parametrize("trouble", ["missing", "old"])
@pytest.mark.parametrize("split", [TRAIN, VAL])
def test_where_it_cannot_be_loaded_the_samples_are_the_same(
    trouble: str, split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = CameraTask(CameraParams(patch=40, manipulated=0.8))
    data = jpeg(scene(640, 801))

    def rng(seed: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(seed))

    def visit(seed: int) -> bytes:
        item = task.decode_for(data, RECORD, split, iter([rng(seed)]))
        return task.sample(item, RECORD, split, 0, rng(seed))["image"].tobytes()

    def load(path: str) -> _Old:
        if trouble == "missing":
            raise OSError(f"{path}: cannot open shared object file")
        return _Old()

    usual = [visit(seed) for seed in range(20)]
    turbojpeg._library.cache_clear()
    monkeypatch.setattr(turbojpeg.ctypes, "CDLL", load)
    try:
        assert turbojpeg._library() is None
        assert [visit(seed) for seed in range(20)] == usual
    finally:
        turbojpeg._library.cache_clear()


def test_a_host_without_the_library_decodes_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turbojpeg, "_library", lambda: None)
    data = jpeg(scene(200, 300))
    assert part(data, (10, 10, 60, 60)) is None
    task = CameraTask(CameraParams(patch=40))
    photo = task.decode_for(data, RECORD, TRAIN, iter([np.random.default_rng(0)]))
    assert np.array_equal(photo, images.decode(data))


def test_the_library_is_looked_for_in_the_wheel_and_then_where_distributions_have_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = turbojpeg.where()
    assert "libturbojpeg" in file and Path(file).is_file()
    monkeypatch.setattr(turbojpeg, "_wheel", lambda: ["/nowhere/libturbojpeg.so"])
    monkeypatch.setattr(turbojpeg, "find_library", lambda _: file)
    names = list(turbojpeg._candidates())
    assert names == ["/nowhere/libturbojpeg.so", *turbojpeg.NAMES, file]
    turbojpeg._library.cache_clear()
    try:
        assert turbojpeg._library() is not None  # the last of these names, if no other
    finally:
        turbojpeg._library.cache_clear()


def test_a_host_without_the_library_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turbojpeg, "_library", lambda: None)
    assert turbojpeg.where() == ""
