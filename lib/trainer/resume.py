"""Which run is to be resumed: the folder taken, its checkpoint read and compared with the settings.

All this before Keras is imported: what is wrong is said within a second.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from cfg.again import MAY_CHANGE, NEVER_KEPT
from lib import tasks
from lib.errors import ConfigError
from lib.store.layout import STORE
from lib.tasks import identity
from lib.trainer import outputs, state
from lib.trainer.state import LAST, State

log = logging.getLogger("pushfit.trainer")


def fixed(texts: Mapping[str, str]) -> dict[str, str]:
    """Those of all settings that a run keeps from its start to its end."""
    return {name: text for name, text in texts.items() if name not in MAY_CHANGE | NEVER_KEPT}


def find(out: Path, texts: Mapping[str, str]) -> State | None:
    """The state of the run in `out`, which is made where it is missing; None to begin a run there.

    texts: every setting as written on a command line. Raises ConfigError and OutputError.
    """
    outputs.prepare(out, again=True)
    outputs.take(out)
    path = out / LAST
    if (out / STORE).exists():
        raise ConfigError(
            f"{out} holds a stored stream, no run: train from it with --from {out}, and --out of "
            "another folder; sink_zmq.py --resume goes on with storing"
        )
    if not path.exists():
        log.info("nothing to resume in %s yet: starting from the beginning", out)
        return None
    try:
        before = state.read(path)
    except ConfigError as error:
        raise ConfigError(
            f"{error}. To start a new run from a model that is whole, this one or best.keras "
            "beside it, give --weights with its path, and another --out"
        ) from error
    compare(before.settings, before.source, fixed(texts), out)
    return before


def is_complete(before: State, epochs: int, out: Path) -> bool:
    """Whether nothing is left to do. Raises ConfigError for fewer epochs than have begun."""
    begun = before.epoch + (before.step > 0)
    if epochs < begun:
        raise ConfigError(
            f"--epochs {epochs}: the run in {out} is in epoch {begun} already; give at least that"
        )
    return not before.step and before.epoch == epochs


def compare(settings: Mapping[str, str], source: str, now: Mapping[str, str], out: Path) -> None:
    """Raises ConfigError where the run in `out` is not one of the settings `now`.

    settings, source: those that it was begun with, `fixed` ones; the tasks' (`identity`).
    """
    for name in sorted(settings.keys() | now.keys()):
        then, given = settings.get(name), now.get(name)
        if name == "task" and all(str(each).endswith(tasks.ENDING) for each in (then, given)):
            continue  # a file may move: what is in it counts
        if then != given:
            flag = f"--{name.replace('_', '-')}"
            raise ConfigError(
                f"{flag} was {then or 'not set'} in the run in {out} and would now be "
                f"{given or 'not set'}: what shapes its batches or its model cannot change. "
                f"Leave {flag} out, or start a new run in another --out"
            )
    task = now.get("task", "")
    own = tasks.load(task).source if task.endswith(tasks.ENDING) else ""
    ours, (theirs, _, kept) = identity.source_hash(), source.partition("+")
    if theirs == ours and kept != own:
        raise ConfigError(
            f"the run in {out} was made by another version of {task}, or of what that imports from "
            f"its folder ({kept}, now {own}), which may draw other samples: bring the version back "
            "that it was started with, or start a new run in another --out"
        )
    if theirs != ours:
        raise ConfigError(
            f"the run in {out} was made by other source code of the tasks ({theirs}, here {ours}), "
            "which may draw other samples: check out the version of "
            "PushFit that it was started with, or start a new run in another --out"
        )
