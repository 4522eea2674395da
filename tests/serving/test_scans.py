"""The scans of a JPEG are counted as a decoder finds them, whatever else is in the file."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from pushfit.decoding import jpeg
from pushfit.serving import pictures

SOS = b"\xff\xda"
END = b"\xff\xd9"


def photo(**how: object) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (64, 80, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG", **how)
    return file.getvalue()


def with_segment(data: bytes, marker: int, content: bytes) -> bytes:
    segment = bytes([0xFF, marker]) + (2 + len(content)).to_bytes(2, "big") + content
    return data[:2] + segment + data[2:]


@pytest.mark.parametrize("marker", [0xE1, 0xE2, 0xED, 0xFE])
def test_what_looks_like_scans_in_metadata_is_none(marker: int) -> None:
    data = with_segment(photo(), marker, (SOS + b"\x00") * 20_000)
    assert jpeg.scans(data, 100) == 1
    assert pictures.decode(data, 10**6, upright=False).shape == (64, 80, 3)


def test_thumbnails_and_pictures_behind_the_first_are_not_counted() -> None:
    data = with_segment(photo(), 0xE1, photo(progressive=True)) + photo(progressive=True) * 50
    assert jpeg.scans(data, 100) == 1


@pytest.mark.parametrize("how", [{}, {"restart_marker_blocks": 1}, {"quality": 100}])
def test_an_ordinary_photo_has_one(how: dict[str, object]) -> None:
    assert jpeg.scans(photo(**how), 100) == 1


def test_all_of_a_progressive_one_count_and_too_many_are_refused() -> None:
    data = photo(progressive=True)
    of_one = data.count(SOS)
    assert jpeg.scans(data, 100) == of_one > 5
    last = data.rindex(SOS)
    many = data[:-2] + data[last:-2] * 200 + END
    assert jpeg.scans(many, 100) == 101
    with pytest.raises(pictures.NotAPicture, match="more than 100 scans"):
        pictures.decode(many, 10**6, upright=False)


@pytest.mark.parametrize("between", [b"\xff" * 9, b"garbage", b"\xff\x01", b"\xff\xe5\x00\x00"])
def test_nothing_between_scans_hides_them(between: bytes) -> None:
    data = photo(progressive=True)
    last = data.rindex(SOS)
    many = data[:-2] + (between + data[last:-2]) * 200 + END
    assert jpeg.scans(many, 100) == 101


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff\xe1", SOS, bytes(99)])
def test_a_file_that_is_cut_short_ends(data: bytes) -> None:
    assert jpeg.scans(data, 100) <= 1


def test_a_file_of_nothing_but_beginnings_of_markers_takes_no_time() -> None:
    assert jpeg.scans(b"\xff" * 2**20 + b"\x00", 100) == 0  # hours, if each looked at the rest
