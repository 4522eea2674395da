"""The folder that a stream is stored in, before anything is stored in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pushfit.errors import OutputError
from pushfit.runs import outputs
from pushfit.settings.config_file import CONFIG
from pushfit.sinks.hdf5 import resume


@pytest.mark.parametrize("left", [(), (outputs.LOG,), (outputs.LOG, CONFIG, outputs.LOCK)])
def test_a_first_try_that_was_interrupted_is_begun_anew(
    left: tuple[str, ...], tmp_path: Path
) -> None:
    for name in left:
        (tmp_path / name).touch()
    assert resume.find(tmp_path, {}, {}, 1) is None


def test_a_folder_with_anything_else_is_refused(tmp_path: Path) -> None:
    for name in (CONFIG, "model.keras"):
        (tmp_path / name).touch()
    with pytest.raises(OutputError, match=r"it holds model\.keras, and no store\.json"):
        resume.find(tmp_path, {}, {}, 1)
