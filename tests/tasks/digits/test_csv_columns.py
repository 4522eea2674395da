"""The first line of a table: what is understood, and what is said of the rest."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pushfit.tasks.digits import csv_columns

SIDE = 8
PIXELS = [f"pixel{number}" for number in range(SIDE * SIDE)]
NUMBERS = [str(number) for number in range(SIDE * SIDE + 1)]


@pytest.mark.parametrize(
    ("names", "skipped", "label"),
    [
        (["label", *PIXELS], 0, 0),
        (PIXELS, 0, None),
        (["", "Label", *PIXELS], 1, 0),
        (["Unnamed: 0", "id", "labels", *PIXELS], 2, 0),
        ([*PIXELS, "class"], 0, SIDE * SIDE),
        (["ImageId", *PIXELS], 1, None),
        (["label", *(f"Pixel{n}" for n in range(1, 65))], 0, 0),
        (["label", *(f"{y}x{x}" for y in range(1, 9) for x in range(1, 9))], 0, 0),
        (["label", *(f"p_{y}_{x}" for y in range(8) for x in range(8))], 0, 0),
        (["label", *(f"px{n:03}" for n in range(64))], 0, 0),
        (["label", *NUMBERS[:-1]], 0, 0),
        (["", *NUMBERS], 1, 0),  # as pandas writes what has no names
        (NUMBERS, 0, 0),
        (NUMBERS[1:], 0, None),
    ],
)
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_names_that_are_in_use(
    names: Sequence[str], skipped: int, label: int | None, separator: str
) -> None:
    found = csv_columns.find(separator.join(names) + "\r\n", SIDE)
    assert (found.separator, found.header) == (separator, True)
    assert (found.skipped, found.label, len(found.names)) == (skipped, label, len(names))


@pytest.mark.parametrize(("count", "label"), [(64, None), (65, 0)])
@pytest.mark.parametrize("value", ["7", "0.98", "-6", '"7"', "300"])
def test_a_line_of_numbers_is_an_image(count: int, label: int | None, value: str) -> None:
    found = csv_columns.find(",".join([value] * count), SIDE)
    assert (found.header, found.skipped, found.label) == (False, 0, label)
    assert found.names[-1] == "pixel63" and len(found.names) == count


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "'' is not a row of values between commas"),
        ("<html>", "'<html>' begins a web page"),
        (",".join(["digit", *PIXELS]), "unknown column 'digit': take it out; if it is the label"),
        (",".join(["label", "when", *PIXELS]), "unknown column 'when': take it out; a table"),
        (",".join(["label", *PIXELS, ""]), "unknown column '': take it out"),
        (",".join(["label", *PIXELS, "a", "b"]), "unknown column 'a' (and 1 more): take it out"),
        (",".join(["label", *PIXELS[:-1]]), "no column 'pixel63'; a table begins with label,"),
        (",".join(["label", *PIXELS[:9], *PIXELS]), "column 'pixel0' is there twice"),
        (",".join(["label", *reversed(PIXELS)]), "columns in another order"),
        (",".join(["label", *(f"pixel{n}" for n in range(81))]), "81 pixels a row, not 8 x 8"),
        (",".join(["label", "name", "price"]), "no column 'pixel0' (nor 63 others)"),
        (",".join(["0"] * 785), "785 values, not 8 x 8 pixels or one more, the label before them"),
        (",".join(["0"] * 785), "give --side 28"),
        (",".join(["0"] * 784), "give --side 28"),
        (",".join(["0"] * 67), "67 values, not 8 x 8 pixels or one more"),
        (",".join(["0"] * 67), "a line of names would tell: label,pixel0,pixel1,…"),
    ],
)
def test_what_is_not_understood_is_named(line: str, says: str) -> None:
    with pytest.raises(ValueError) as raised:
        csv_columns.find(line, SIDE)
    assert says in str(raised.value)
