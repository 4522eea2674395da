"""Which run is to be resumed: the folder taken, its checkpoint read and compared with the settings.

All this before Keras is imported: what is wrong is said within a second.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path

from pushfit import tasks
from pushfit.errors import ConfigError, nearest
from pushfit.installation import typed
from pushfit.runs import checkpoint_state, outputs
from pushfit.runs.checkpoint_state import LAST, RunState
from pushfit.settings import code
from pushfit.settings.config_file import CONFIG
from pushfit.store.layout import STORE
from pushfit.tasks import compatibility
from pushfit.text import counted, one_line

log = logging.getLogger("pushfit.trainer")


def find(out: Path, fixed: Mapping[str, str], defaults: Mapping[str, str]) -> RunState | None:
    """The state of the run in `out`, which is made where it is missing; None to begin a run there.

    fixed: the settings that a run keeps, as written on a command line; defaults: those of all.
    Raises ConfigError and OutputError.
    """
    _meant(out)
    outputs.prepare(out, again=True)
    outputs.take(out)
    path = out / LAST
    if (out / STORE).exists():
        raise ConfigError(
            f"{out} holds a stored stream, no run: train from it with --from {out}, and --out of "
            f"another folder; {typed('sink')} --resume goes on with storing"
        )
    if not path.exists():
        log.warning("nothing to resume in %s: a new run begins there", out)
        return None
    try:
        before = checkpoint_state.read(path)
    except ConfigError as error:
        raise ConfigError(
            f"{error}. To start a new run from a model that is whole, this one or best.keras "
            "beside it, give --weights with its path, and another --out"
        ) from error
    compare(before.settings, before.source, fixed, defaults, out)
    return before


def _meant(out: Path) -> None:
    """Raises ConfigError where `out` is not there, and a run of nearly that name is.

    Names that differ in their digits are those of several runs, not of one that was mistyped.
    """
    if out.exists() or not out.parent.is_dir():
        return
    runs = [path.name for path in out.parent.iterdir() if (path / CONFIG).is_file()]
    others = [name for name in runs if _letters(name) != _letters(out.name)]
    if near := nearest(out.name, others):
        raise ConfigError(
            f"there is no run in {out}{near} To begin a new run there, leave --resume out, or make "
            f"the folder first: mkdir -p {out}"
        )


def _letters(name: str) -> str:
    return re.sub(r"\d+", "", name)


def completed(before: RunState, epochs: int, patience: int, out: Path) -> str:
    """Why nothing is left to do, and what would train on, in a sentence; "": there is.

    patience: of --early-stopping. Raises ConfigError for fewer epochs than have begun.
    """
    begun = before.epoch + (before.step > 0)
    if epochs < begun:
        raise ConfigError(
            f"--epochs {epochs}: the run in {out} is in epoch {begun} already; give at least that"
        )
    if before.step:
        return ""
    done = f"Run {one_line(before.run)} is complete: {before.epoch} epoch(s)"
    if before.epoch == epochs:
        return f"{done}. --epochs N trains it on."
    if patience and before.stopping.wait >= patience:
        return (
            f"{done}, of which the last {before.stopping.wait} were not better than those before. "
            "A larger --early-stopping trains it on, or --early-stopping 0 to its last epoch."
        )
    return ""


def compare(
    settings: Mapping[str, str],
    source: str,
    now: Mapping[str, str],
    defaults: Mapping[str, str],
    out: Path,
) -> None:
    """Raises ConfigError where the run in `out` is not one of the settings `now`.

    settings: those that it was begun with, and keeps. source: that of the tasks (`compatibility`).
    defaults: what a setting was that the run does not know, as PushFit has got it since.
    """
    for name in sorted(settings.keys() | now.keys()):
        then, given = settings.get(name, defaults.get(name)), now.get(name)
        if name == "task" and all(str(each).endswith(tasks.ENDING) for each in (then, given)):
            continue  # a file may move: what is in it counts
        if then and given and code.unplaced(then) == code.unplaced(given):
            continue
        if then != given:
            flag = f"--{name.replace('_', '-')}"
            raise ConfigError(
                f"{flag} was {_shown(then)} in the run in {out} and would now be "
                f"{_shown(given)}: what shapes its batches or its model cannot change. "
                f"Leave {flag} out, or start a new run in another --out"
            )
    task = now["task"]
    ours, _, own = compatibility.source_of(tasks.load(task)).partition("+")
    theirs, _, kept = source.partition("+")
    if theirs == ours and kept != own:
        raise ConfigError(
            f"the run in {out} was made by another version of {task}, or of what that imports from "
            f"its folder ({kept}, now {own}), which may draw other samples: bring the version back "
            "that it was started with, or start a new run in another --out"
        )
    if theirs != ours:
        raise ConfigError(
            f"the run in {out} was made by other source code of the task ({theirs}, here {ours}), "
            "which may draw other samples: check out the version of "
            "PushFit that it was started with, or start a new run in another --out"
        )


def _shown(text: str | None) -> str:
    """A setting's text; of the lines of a file, how many there are."""
    if text and "\n" in text:
        return f"a list of {counted(text.count(chr(10)), 'entry')}"
    return text or "not set"
