"""What a host lacks is named, with the command that mends it."""

from __future__ import annotations

from lib.tasks import identity


def test_all_that_decides_pixels_has_a_version() -> None:
    assert set(identity.libraries()) == set(identity.LIBRARIES)
    assert identity.libraries()["numpy"][0].isdigit()
    assert identity.compare_libraries(identity.libraries(), identity.libraries()) == ""


def test_what_differs_is_named_with_what_mends_it() -> None:
    ours = {"numpy": "2.4.6", "pillow": "13.0.0", "cykooz-resizer": identity.NONE}
    said = identity.compare_libraries({"numpy": "2.4.5", "cykooz-resizer": "4.0.1"}, ours)
    assert said == (
        "it has numpy 2.4.5, pillow none, cykooz-resizer 4.0.1, and other versions may draw other "
        "pixels: run `pip install numpy==2.4.6 pillow==13.0.0` and `pip uninstall cykooz-resizer` "
        "there"
    )
    assert "`pip install cykooz-resizer==4.0.1`" in identity.compare_libraries(
        ours, {**ours, "cykooz-resizer": "4.0.1"}
    )
