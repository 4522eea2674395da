"""The declaration of a setting: all that is true of it, besides type, default and limits.

A new setting needs one `about(…)`. No other table is keyed by its name.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import msgspec


class Kept(Enum):
    """How a run treats a setting when it is resumed."""

    ALWAYS = "always"  # it shapes the stream or the model, so it stays the same for the whole run
    IF_GIVEN = "if given"  # it may change; what a person gave it before is the new default
    NEVER = "never"  # it says which run is meant, or belongs to one process only


class Decides(Enum):
    """What a setting decides, and so what happens to it if the samples come from a store."""

    SAMPLES = "samples"  # the samples, which are in the store, so the setting cannot change
    BATCHES = "batches"  # how samples become batches; the store has a value, and a flag changes it
    STEPS = "steps"  # which samples of an epoch make batches; a store does not know it
    MAKING = "making"  # how generators make and send samples; it has no effect with a store
    OTHER = "other"


class Placed(Enum):
    """How a path is made absolute.

    A path that a person typed is relative to the current folder. A path in a file of `cfg/` is
    relative to the folder that contains `cfg/`.
    """

    NO = "no"  # the value is used as it is
    FOLDER = "folder"  # the value is a path
    LINKS = "links"  # as FOLDER, but the site's own folders of links work in any current folder
    TASK = "task"  # as FOLDER if the value is the file of a task; the name of a task is kept
    FILE = "file"  # as FOLDER if it begins with FILE.py or is a FILE.json; in a list, each item


class About(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of `about`. A `pushfit.settings.fields.Setting` has them, and more.

    internal: a program sets it for a task, never a person.
    """

    group: str = ""
    unit: str = ""
    zero: str = ""
    bare: str = ""
    also: str = ""
    kept: Kept = Kept.ALWAYS
    decides: Decides = Decides.OTHER
    placed: Placed = Placed.NO
    early: bool = False
    only_with: tuple[str, str] | None = None
    suggested: tuple[str, ...] = ()
    internal: bool = False


def about(
    group: str,
    description: str,
    *,
    unit: str = "",
    zero: str = "",
    bare: str = "",
    also: str = "",
    kept: Kept = Kept.ALWAYS,
    decides: Decides = Decides.OTHER,
    placed: Placed = Placed.NO,
    early: bool = False,
    only_with: tuple[str, str] | None = None,
    suggested: tuple[str, ...] = (),
    **limits: Any,
) -> Any:
    """The Meta of one setting.

    group: the heading above it in ``--help``.
    description: the sentence about it in ``--help``.
    unit: bytes, seconds, path, name or path, lines, bind, connect or ""; it decides how text is
        read and checked.
    zero: the meaning of 0 or ""; "": these are ordinary values.
    bare: the value if no value follows the flag; "": a value must follow.
    also: an environment variable that has the same effect as PUSHFIT_NAME; "": none.
    kept: how a resumed run treats it.
    decides: whether it shapes samples, batches, or how samples are made.
    placed: how a path is made absolute.
    early: it is needed before the task is known, so the row of a task cannot give it.
    only_with: (name of another setting, a value of that). If the other setting has another value,
        this one must have its default.
    suggested: words that a shell offers for the value; other values are allowed as well.
    limits: ge, gt, le, lt, …, as in msgspec.Meta.
    """
    told = About(
        group=group, unit=unit, zero=zero, bare=bare, also=also, kept=kept, decides=decides,
        placed=placed, early=early, only_with=only_with,
        suggested=suggested,
    )  # fmt: skip
    return msgspec.Meta(description=description, extra=msgspec.structs.asdict(told), **limits)
