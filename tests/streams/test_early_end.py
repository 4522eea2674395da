"""Runs that end early: what their report says, and what becomes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest

from pushfit.errors import DataError, OutputError
from pushfit.runs import outputs
from pushfit.sinks.hdf5 import resume
from pushfit.streams.early_end import reported
from pushfit.streams.stream import Stream


class Opened:
    """As much of a stream as is asked for."""

    def __init__(self, was_opened: bool = True) -> None:
        self.was_opened = was_opened


def end(path: Path, error: BaseException, *, was_opened: bool = True) -> None:
    with (
        pytest.raises(type(error)),
        reported(
            cast(Stream, Opened(was_opened)), [None, path], lambda: {"ended": "complete", "n": 1}
        ),
    ):
        raise error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DataError("3 bad records"), {"ended": "failed", "error": "3 bad records"}),
        (KeyboardInterrupt(), {"ended": "interrupted"}),
    ],
)
def test_what_ends_a_run_is_in_its_report(
    tmp_path: Path, error: BaseException, said: dict[str, str]
) -> None:
    path = tmp_path / outputs.REPORT
    end(path, error)
    assert json.loads(path.read_text()) == {"n": 1, **said}
    assert outputs.ended_early(path)


def test_a_defect_is_reported_with_its_place(tmp_path: Path) -> None:
    end(tmp_path / "r.json", KeyError("x"))
    said = json.loads((tmp_path / "r.json").read_text())["error"]
    assert said.startswith("KeyError: 'x' (test_early_end.py:")


def test_there_is_no_report_of_a_stream_that_never_began_nor_a_block_that_ends(
    tmp_path: Path,
) -> None:
    end(tmp_path / "r.json", DataError("no data"), was_opened=False)
    with reported(cast(Stream, Opened()), [tmp_path / "r.json"], dict):
        pass
    assert not list(tmp_path.iterdir())


def test_a_report_that_cannot_be_written_does_not_hide_what_ended_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    end(tmp_path / "gone" / "r.json", DataError("3 bad records"))
    assert "no report of how far it came: cannot write" in caplog.text


def test_a_folder_whose_run_ended_before_it_kept_anything_is_used_again(tmp_path: Path) -> None:
    end(tmp_path / outputs.REPORT, DataError("3 bad records"))
    outputs.prepare(tmp_path)
    outputs.clear(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, '{"ended": "complete"}', "{}"])
def test_what_is_no_report_of_an_early_end_is_not_written_over(tmp_path: Path, text: str) -> None:
    (tmp_path / outputs.REPORT).write_text(text)
    with pytest.raises(OutputError, match="not empty"):
        outputs.prepare(tmp_path)
    assert resume.is_whole(tmp_path)


def test_a_store_whose_sink_ended_early_is_not_whole(tmp_path: Path) -> None:
    assert not resume.is_whole(tmp_path)
    end(tmp_path / outputs.REPORT, KeyboardInterrupt())
    assert not resume.is_whole(tmp_path)
