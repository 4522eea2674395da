"""Finds the run to resume: locks its folder, reads its checkpoint, and compares the settings.

This happens before Keras is imported, so that an error is shown within a second.
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
    """Lock the folder `out`, and make it if it is missing.

    fixed: {name: text} of the settings that a run keeps, as written on a command line.
    defaults: {name: text} of the default of every setting.
    Returns the state of the run; None: there is no checkpoint, so a new run begins there.
    Raises ConfigError and OutputError.
    """
    _meant(out)
    outputs.prepare(out, again=True)
    outputs.take(out)
    path = out / LAST
    if (out / STORE).exists():
        raise ConfigError(
            f"{out} holds a stored stream, not a run. To train from it, give --from {out} and "
            f"another --out; to continue storing, use {typed('sink')} --resume"
        )
    if not path.exists():
        log.warning("nothing to resume in %s: a new run begins there", out)
        return None
    try:
        before = checkpoint_state.read(path)
    except ConfigError as error:
        raise ConfigError(
            f"{error}. To start a new run from a complete model, such as best.keras beside it, "
            "give --weights with its path, and another --out"
        ) from error
    compare(before.settings, before.source, fixed, defaults, out)
    return before


def _meant(out: Path) -> None:
    """Raise ConfigError if `out` does not exist, but a run with a similar name does.

    Names that differ only in digits are names of several runs, so they are not similar.
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
    """Why nothing is left to do and what would train further, in a sentence; "": something is left.

    patience: that of --early-stopping. Raises ConfigError if `epochs` are fewer than were started.
    """
    started = before.epoch + (before.step > 0)
    if epochs < started:
        raise ConfigError(
            f"--epochs {epochs}: the run in {out} is in epoch {started} already; give at least that"
        )
    if before.step:
        return ""
    done = f"Run {one_line(before.run)} is complete: {before.epoch} epoch(s)"
    if before.epoch == epochs:
        return f"{done}. To train it further, give --epochs N."
    if patience and before.stopping.wait >= patience:
        return (
            f"{done}, of which the last {before.stopping.wait} were not better than those before. "
            "To train it further, give a larger --early-stopping, or --early-stopping 0."
        )
    return ""


def compare(
    settings: Mapping[str, str],
    source: str,
    now: Mapping[str, str],
    defaults: Mapping[str, str],
    out: Path,
) -> None:
    """Raise ConfigError if the run in `out` cannot be resumed with the settings `now`.

    settings: {name: text} of the settings with which the run was started, and which it keeps.
    source: the hash of the task's code in that run (`compatibility.source_of`).
    now: {name: text} of the same settings as they are given now.
    defaults: {name: text} of the values that count for settings which the run does not have, as
        they are newer.
    """
    for name in sorted(settings.keys() | now.keys()):
        then, given = settings.get(name, defaults.get(name)), now.get(name)
        if name == "task" and all(str(each).endswith(tasks.ENDING) for each in (then, given)):
            continue  # a file may be moved; its content is compared below
        if then and given and code.unplaced(then) == code.unplaced(given):
            continue
        if then != given:
            flag = f"--{name.replace('_', '-')}"
            raise ConfigError(
                f"{flag} was {_shown(then)} in the run in {out} and would now be "
                f"{_shown(given)}, but it shapes the batches or the model, so it cannot change. "
                f"Leave {flag} out, or start a new run in another --out"
            )
    task = now["task"]
    ours, _, own = compatibility.source_of(tasks.load(task)).partition("+")
    theirs, _, kept = source.partition("+")
    if theirs == ours and kept != own:
        raise ConfigError(
            f"the run in {out} was made by another version of {task}, or of what that imports from "
            f"its folder ({kept}, now {own}), which may draw other samples: put back the version "
            "with which it was started, or start a new run in another --out"
        )
    if theirs != ours:
        raise ConfigError(
            f"the run in {out} was made by other source code of the task ({theirs}, here {ours}), "
            "which may draw other samples: check out the version of PushFit with which it was "
            "started, or start a new run in another --out"
        )


def _shown(text: str | None) -> str:
    """The text of a setting for a message. The entries of a file are only counted."""
    if text and "\n" in text:
        return f"a list of {counted(text.count(chr(10)), 'entry')}"
    return text or "not set"
