"""The columns of a table of images: which is the label, and which are the pixels.

    label,pixel0,pixel1,…      Kaggle's digit-recognizer; its test.csv has no label
    id;Label;1x1;1x2;…         other separators, an index first, pixels counted from 1 or by row
    ,0,1,2,…                   pandas' names for its index and for columns without names
    5,0,0,…                    no names at all: the label first, if there is one

Pixels are in rows from the upper left. Only the first line of the table is read here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import msgspec

from pushfit.tasks.digits.affine import MAX_SIDE

LABEL = "label"
_LEAST_SIDE = 8
_LABELS = frozenset({LABEL, "labels", "class"})
_INDEXES = frozenset({"", "id", "index", "imageid", "image_id", "row", "row_id", "unnamed: 0"})
_SEPARATORS = ",;\t|"
_KAGGLES = f"{LABEL},pixel0,pixel1,…"
_SHOWN = 40  # most characters of the table in a message


class Columns(msgspec.Struct, frozen=True):
    """The columns of a table.

    separator: the character between two values.
    header: whether the first line has the names of the columns, not the first image.
    names: the names of all columns, for messages.
    skipped: the number of columns before those that are used.
    label: the label's index among the columns that are used; None: the table has no labels.
    """

    separator: str
    header: bool
    names: tuple[str, ...]
    skipped: int
    label: int | None

    def values(self, line: str) -> list[str]:
        """The values of a line, without quotes and the space around them."""
        return _values(line, self.separator)


def find(line: str, side: int) -> Columns:
    """The columns of a table of `side` x `side` pixels that begins with `line`.

    Raises ValueError, which says what is wrong with the line.
    """
    separator = max(_SEPARATORS, key=line.count)
    given = _values(line, separator)
    if len(given) == 1:
        raise ValueError(_not_a_table(given[0]))
    if not all(map(_is_number, given)):
        skipped = next((n for n, name in enumerate(given) if not _is_index(name)), len(given))
        header, used = True, given[skipped:]
    else:
        header, skipped, used = _counted(given), 0, given
    if not header or (_counted(used) and len(used) != side * side):
        label = _unnamed(len(used), side)
        pixels = [f"pixel{number}" for number in range(side * side)]
        used = pixels if label is None else [LABEL, *pixels]
    else:
        label = next((n for n, name in enumerate(used) if name.casefold() in _LABELS), None)
        _check_pixels(
            [name for n, name in enumerate(used) if n != label], side, labelled=label is not None
        )
    return Columns(separator, header, (*given[:skipped], *used), skipped, label)


def _values(line: str, separator: str) -> list[str]:
    return [value.strip().strip('"').strip() for value in line.rstrip("\r\n").split(separator)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_index(name: str) -> bool:
    return name.casefold() in _INDEXES


def _counted(names: Sequence[str]) -> bool:
    """Return whether the names are 0, 1, 2, … or 1, 2, 3, …, which cannot be pixel values."""
    return any(list(names) == [str(n) for n in range(k, k + len(names))] for k in (0, 1))


def _unnamed(count: int, side: int) -> int | None:
    """The label's index among `count` columns without names; None: no label. Raises ValueError."""
    if count in (side * side, side * side + 1):
        return 0 if count > side * side else None
    other = _side(count) or _side(count - 1)
    raise ValueError(
        f"{count} values, not {side} x {side} pixels or one more, the label before them"
        + (f": give --side {other}" if other else f"; a line of names would tell: {_KAGGLES}")
    )


def _check_pixels(names: Sequence[str], side: int, *, labelled: bool) -> None:
    """Raise ValueError if `names` are not those of side x side pixels in their order.

    labelled: a column of labels was found.
    """
    found = [name.casefold() for name in names]
    wanted = _pixels(found, side)
    if found == wanted:
        return
    missing = [name for name in wanted if name not in set(found)]
    extra = [name for name in names if name.casefold() not in set(wanted)]
    other = _side(len(names))
    if other and other != side:
        problem = f"{len(names)} pixels a row, not {side} x {side}: give --side {other}"
    elif missing:
        others = f" (nor {len(missing) - 1} others)" if len(missing) > 1 else ""
        problem = f"no column {missing[0]!r}{others}"
    elif extra:
        more = f" (and {len(extra) - 1} more)" if len(extra) > 1 else ""
        label = "" if more or labelled else f"; if it is the label, call it {LABEL!r}"
        problem = f"unknown column {extra[0][:_SHOWN]!r}{more}: take it out{label}"
    elif len(found) > len(wanted):
        problem = f"column {_twice(found)!r} is there twice"
    else:
        problem = "columns in another order"
    raise ValueError(f"{problem}; a table begins with {_KAGGLES}")


def _pixels(names: Sequence[str], side: int) -> list[str]:
    """The names of all pixels, by the rule that the first of `names` follows, or by Kaggle's."""
    for name in names[:2]:  # the first may be a label with an unusual name
        if by_row := re.fullmatch(r"(\D*)([01])(\D+)\2", name):
            before, start, between = by_row[1], int(by_row[2]), by_row[3]
            counted = range(start, start + side)
            return [f"{before}{row}{between}{column}" for row in counted for column in counted]
        if in_one := re.fullmatch(r"(\D*)(0*[01])", name):
            return _numbered(in_one[1], int(in_one[2]), side, len(in_one[2]))
    return _numbered("pixel", 0, side)


def _numbered(before: str, start: int, side: int, width: int = 1) -> list[str]:
    return [f"{before}{number:0{width}}" for number in range(start, start + side * side)]


def _side(pixels: int) -> int:
    """The side of a square image of this many pixels, if the task accepts that side; else 0."""
    side = math.isqrt(max(0, pixels))
    return side if side * side == pixels and _LEAST_SIDE <= side <= MAX_SIDE else 0


def _twice(names: Sequence[str]) -> str:
    return next(name for n, name in enumerate(names) if name in names[:n])


def _not_a_table(text: str) -> str:
    shown = repr(text[:_SHOWN])
    if text.startswith("<"):
        return f"{shown} begins a web page, which a download left: download the table again"
    return (
        f"{shown} is not a row of values between commas, semicolons or tabs; a table begins with "
        f"{_KAGGLES}"
    )
