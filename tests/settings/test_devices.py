"""What `--devices` may be, and which batches the devices can share."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit.errors import ConfigError
from pushfit.settings.devices import MOST, Wanted, check_batch, parse
from pushfit.settings.programs.train import TrainSettings

NUMBERS = st.sets(st.integers(0, MOST), min_size=2, max_size=8)
WANTED = st.one_of(
    st.just(Wanted(None)),
    st.builds(Wanted, st.integers(1, MOST)),
    NUMBERS.map(lambda numbers: Wanted(len(numbers), tuple(sorted(numbers)))),
)


@given(WANTED)
def test_its_text_is_read_as_the_same(wanted: Wanted) -> None:
    assert parse(wanted.text) == wanted


def test_numbers_may_come_in_any_order() -> None:
    assert parse(" 2, 0") == Wanted(2, (0, 2))
    assert TrainSettings(devices="2,00").devices == "0,2"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "give all, a number of devices such as 2, or the numbers of several such as 0,2"),
        ("both", "give all, "),
        ("-1", "give all, "),
        ("0,", "give all, "),
        ("all,1", "give all, "),
        ("9" * 5000, "give all, "),
        ("0,1025", "each at most 1024"),
        ("0", "training needs a device, so give at least 1"),
        ("1,0,1", "a number stands there twice"),
    ],
)
def test_anything_else_is_told(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        parse(text)


@given(st.integers(1, 300), st.integers(1, 16))
def test_batches_divide_or_the_nearest_that_do_are_told(batch_size: int, devices: int) -> None:
    try:
        check_batch(batch_size, devices)
    except ConfigError as error:
        assert batch_size % devices
        found = re.search(r"give (?:at least )?([0-9]+)(?: or ([0-9]+))?, or other", str(error))
        assert found is not None
        for near in filter(None, found.groups()):
            check_batch(int(near), devices)
            assert abs(int(near) - batch_size) < devices
    else:
        assert batch_size % devices == 0


def test_a_batch_is_checked_with_the_settings() -> None:
    TrainSettings(devices="all", batch_size=9)  # how many there are is known later
    with pytest.raises(ConfigError, match="--batch-size 9 is the number of samples that 2 devices"):
        TrainSettings(devices="0,3", batch_size=9)
    with pytest.raises(ConfigError, match="give at least 4, or other --devices"):
        TrainSettings(devices="4", batch_size=3)
