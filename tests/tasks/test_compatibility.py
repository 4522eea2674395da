"""What a host lacks is named, with the command that mends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pushfit.tasks import compatibility


def test_all_that_decides_pixels_has_a_version() -> None:
    assert set(compatibility.libraries()) == set(compatibility.LIBRARIES)
    assert compatibility.libraries()["numpy"][0].isdigit()
    assert (
        compatibility.compare_libraries(compatibility.libraries(), compatibility.libraries()) == ""
    )


def test_what_differs_is_named_with_what_mends_it() -> None:
    ours = {"numpy": "2.4.6", "pillow": "13.0.0", "cykooz-resizer": compatibility.NONE}
    said = compatibility.compare_libraries({"numpy": "2.4.5", "cykooz-resizer": "4.0.1"}, ours)
    assert said == (
        "it has numpy 2.4.5, pillow none, cykooz-resizer 4.0.1, and other versions may draw other "
        "samples: run `pip install numpy==2.4.6 pillow==13.0.0` and run `pip uninstall "
        "cykooz-resizer` there"
    )
    assert "`pip install cykooz-resizer==4.0.1`" in compatibility.compare_libraries(
        ours, {**ours, "cykooz-resizer": "4.0.1"}
    )


def test_what_a_task_names_is_compared_where_the_task_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "noisebank.py").write_text("SCALE = 1")
    first = compatibility.libraries(("noisebank", "no-such-package"))
    assert first["no-such-package"] == compatibility.NONE
    compatibility.libraries.cache_clear()
    (tmp_path / "noisebank.py").write_text("SCALE = 2")
    second = compatibility.libraries(("noisebank",))
    said = compatibility.compare_libraries(second, {**first})
    assert said.startswith(f"it has noisebank {second['noisebank']}, and other versions")
    assert said.endswith("copy noisebank from this run's trainer there")
    assert (
        compatibility.compare_libraries(compatibility.libraries(), second) == ""
    )  # it has no such task


def test_paths_that_look_the_same_are_told_by_their_characters() -> None:
    ours, theirs = ["train/k\u00f6ter/1.jpg\t5"], ["train/ko\u0308ter/1.jpg\t5"]
    said = compatibility.compare_listings(theirs, ours)
    assert "1 missing" in said and "1 too many" in said
    assert r"'train/ko\u0308ter/1.jpg' there, 'train/k\xf6ter/1.jpg' in this run" in said
    assert compatibility.look_alikes({"a"}, {"b"}) == ""
    assert r"'a\u202fb' there, 'a b' in this run" in compatibility.look_alikes(
        {"a\u202fb"}, {"a b"}
    )
