"""Text into values and back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit.errors import ConfigError
from pushfit.settings.fields import format_size, parse_size, settings_of
from pushfit.settings.programs import PROGRAMS
from pushfit.settings.programs.generator import GeneratorSettings
from pushfit.settings.programs.train import TrainSettings

TRAIN = {setting.name: setting for setting in settings_of(TrainSettings)}
GENERATOR = {setting.name: setting for setting in settings_of(GeneratorSettings)}


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
    assert GeneratorSettings(processes="auto").process_count >= 1


@pytest.mark.parametrize("struct", PROGRAMS.values())
def test_every_setting_is_described_and_its_default_allowed(struct: type) -> None:
    for setting in settings_of(struct):
        assert setting.description.endswith((".", "…"))
        assert setting.group
        assert setting.read(setting.default, "default") == setting.default


@pytest.mark.parametrize("struct", PROGRAMS.values())
def test_what_a_setting_is_only_for_is_a_setting_with_that_value(struct: type) -> None:
    known = {setting.name: setting for setting in settings_of(struct)}
    for setting in known.values():
        if setting.only_with is not None:
            other, value = setting.only_with
            assert known[other].read(value, "here") == value
            assert value != known[other].default  # else it would be refused where nothing is given


def test_every_setting_that_may_be_a_path_takes_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting is known to be a path by its unit alone, so none may be without one."""
    monkeypatch.setenv("HOME", "/home/me")
    found = set()
    for setting in (one for struct in PROGRAMS.values() for one in settings_of(struct)):
        names = ("older", "file", "path", "FILE", "Folder", "DIR")
        said = any(word in setting.description for word in names)
        if setting.is_path:
            found.add(setting.name)
            value = setting.read("~/x", "here")
            assert value in ("/home/me/x", ("/home/me/x",)), setting.name
            if setting.is_list:
                assert setting.read("~/x, none ,~/y", "here") == (
                    "/home/me/x",
                    "none",
                    "/home/me/y",
                )
        elif said and isinstance(setting.default, str | tuple):
            assert setting.name in {"hdf5_filter"}, setting.name
    assert {"links", "from", "out", "run", "data", "report", "key", "keys", "weights"} <= found
    assert {"val_from", "health", "task", "mlflow", "submissions"} <= found
