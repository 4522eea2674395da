"""What a setting says of itself where it is declared, besides its type, default and limits.

Whoever adds a setting writes all that is true of it into one `about(…)`; no table elsewhere is
keyed by its name.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import msgspec


class Kept(Enum):
    """How a run treats a setting when it is resumed."""

    ALWAYS = "always"  # it shapes the stream or the model: the same from the run's start to its end
    IF_GIVEN = "if given"  # it may change; where a person gave it before, that is the default now
    NEVER = "never"  # it says which run is meant, or belongs to one process alone


class Decides(Enum):
    """What a setting decides, and so what becomes of it where the samples come from a store."""

    SAMPLES = "samples"  # the samples themselves: the store has them, and they cannot be made again
    BATCHES = "batches"  # how samples become batches: the store proposes it, a flag changes it
    MAKING = "making"  # how generators make and send samples: idle with a store
    OTHER = "other"


class Placed(Enum):
    """How a path is made absolute. What a person typed starts at the current folder, and what
    stands in a file of `cfg/` at the folder that `cfg/` lies in."""

    NO = "no"  # it is used as it is
    FOLDER = "folder"
    LINKS = "links"  # the site's own folders of links are meant from anywhere
    TASK = "task"  # only where it is the file of a task, and not a name
    FILE = "file"  # only where it begins with FILE.py or is a FILE.json; in a list, item by item


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What `about` has been told; `pushfit.settings.fields.Setting` has it all.

    internal: a program sets it for a task; no person does.
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

    group: its heading in ``--help``.
    unit: bytes | seconds | path | name or path | bind | connect; says how text is read and checked.
    zero: what 0 or "" stands for, if not for itself.
    bare: what the flag means where no value follows it; "": one must.
    also: a variable that others set in the environment, which gives it as PUSHFIT_NAME does.
    kept: what a run that is resumed does with it.
    decides: what it shapes, samples or batches, or that it is about those who make them.
    placed: how a path is made absolute.
    early: it is needed before the task is known, so the row of a task cannot give it.
    only_with: (the name of another setting, its value): with any other value this one has to
        have its default.
    suggested: words that a shell offers for the value, where others are allowed as well.
    limits: ge, gt, le, lt, …, as in msgspec.Meta.
    """
    told = About(
        group=group, unit=unit, zero=zero, bare=bare, also=also, kept=kept, decides=decides,
        placed=placed, early=early, only_with=only_with,
        suggested=suggested,
    )  # fmt: skip
    return msgspec.Meta(description=description, extra=msgspec.structs.asdict(told), **limits)
