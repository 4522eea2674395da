"""Text into values and back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfg import base
from cfg.fields import format_size, parse_size, settings_of
from lib.errors import ConfigError

TRAIN = {setting.name: setting for setting in settings_of(base.TrainSettings)}
GENERATOR = {setting.name: setting for setting in settings_of(base.GeneratorSettings)}


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("17", 17),
        ("2GiB", 2 * 2**30),
        ("2gib", 2 * 2**30),
        ("800MB", 800_000_000),
        ("512M", 512 * 2**20),
        ("1.5 KiB", 1536),
        ("3B", 3),
        ("1T", 2**40),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "2iB", "2GiX", "-1", "1e9", "2 G i B", "½K"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(text)):
        parse_size(text)


@given(st.integers(0, 2**60))
def test_a_size_survives_its_text(size: int) -> None:
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("balance", "yes", True),
        ("balance", "0", False),
        ("buffer", "1GB", 10**9),
        ("expiry", "2.5", 2.5),
        ("order", "arrival", "arrival"),
    ],
)
def test_text_becomes_a_value(name: str, text: str, value: object) -> None:
    assert TRAIN[name].read(text, "here") == value


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("epochs", "0", "at least 1"),
        ("epochs", "1.5", "a whole number"),
        ("balance", "perhaps", "true or false"),
        ("buffer", "2Gx", "2GiB"),
        ("expiry", "inf", "a number of seconds, above 0"),
        ("expiry", "nan", "above 0"),
        ("dropout", "1", "at least 0 and below 1"),
        ("order", "exat", "one of exact, arrival, did you mean 'exact'?"),
        ("seed", "4294967296", "0 to 4294967295"),
        ("bind", "localhost:1", "did you mean 'tcp://localhost:1'?"),
    ],
)
def test_a_bad_value_names_origin_value_and_what_is_allowed(
    name: str, text: str, says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        TRAIN[name].read(text, "where it came from")
    message = str(caught.value)
    assert message.startswith("where it came from: ")
    assert repr(text) in message
    assert says in message


def test_processes_are_a_number_or_auto() -> None:
    assert GENERATOR["processes"].read("auto", "here") == "auto"
    assert GENERATOR["processes"].read("4", "here") == 4
    with pytest.raises(ConfigError, match=r"auto, or a whole number, at least 1.*'auto'"):
        GENERATOR["processes"].read("auot", "here")
    assert base.GeneratorSettings(processes="auto").process_count >= 1


@pytest.mark.parametrize("struct", base.PROGRAMS.values())
def test_every_setting_is_described_and_its_default_allowed(struct: type) -> None:
    for setting in settings_of(struct):
        assert setting.description.endswith((".", "…"))
        assert setting.group
        assert setting.read(setting.default, "default") == setting.default
