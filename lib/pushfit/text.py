"""Small functions for text that is shown: control characters, line breaks, plurals of nouns.

Every program applies `printable` to all that it shows (`terminal.Steady`). A name in the middle of
a line first goes through `one_line`, so that it cannot begin a line of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

LONGEST_PATH = 300  # characters that are shown
# Control characters, marks that change the direction of writing, Unicode's line and paragraph
# breaks, invisible tags, and bytes of a name that is not UTF-8.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    """`text` with control characters spelled out, so that a peer's text cannot steer a terminal.

    Line breaks and tabs stay, since tracebacks have them.
    """
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


def one_line(text: str) -> str:
    """`text` for the middle of a line: line breaks and tabs are spelled out as well."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def set_in(text: str, columns: int) -> str:
    """`text` with all lines but the first indented by `columns`."""
    return text.replace("\n", "\n" + " " * columns)


def as_lines(texts: Iterable[str]) -> str:
    """`texts`, each on a line of its own, whatever they hold."""
    return "\n".join(map(one_line, texts))


def json_line(row: Mapping[str, Any]) -> str:
    """`row` as a line of a `.jsonl` file, without anything that a reader may take for a break."""
    text = json.dumps(row, ensure_ascii=False)  # only its strings hold what is not ASCII
    return _UNPRINTABLE.sub(lambda match: json.dumps(match[0])[1:-1], text) + "\n"


def as_line(text: str) -> str:
    """`text` as a line of a list: unchanged, or as JSON if a reader would change it."""
    plain = text and text == text.strip() and text[0] not in '#"' and "\n" not in text
    return text if plain and text == printable(text) else json.dumps(text)


def from_line(line: str) -> str:
    """The text that `as_line` made `line` of. A line that only looks like JSON stays unchanged."""
    if line.startswith('"'):
        try:
            text = json.loads(line)
        except ValueError:
            return line
        return text if isinstance(text, str) else line
    return line


def shown(path: str) -> str:
    """The name of a file, which may be of any bytes and length, for the middle of a line."""
    text = one_line(path.encode("utf-8", "backslashreplace").decode())
    return text if len(text) <= LONGEST_PATH else f"{text[:LONGEST_PATH]}…"


def counted(number: int, noun: str) -> str:
    """``"1 class"``, ``"2 classes"``, ``"3 entries"``, ``"1,000 steps"``."""
    if noun.endswith("ry") and number != 1:
        return f"{number:,} {noun[:-1]}ies"
    ending = "" if number == 1 else "es" if noun.endswith(("s", "tch")) else "s"
    return f"{number:,} {noun}{ending}"
