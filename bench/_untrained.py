"""python -m bench._untrained DIR: a run that was never trained, with `smallcnn` for digits."""

from __future__ import annotations

import sys
from pathlib import Path

from pushfit import tasks
from pushfit.feed.audit import Audited
from pushfit.runs import checkpoint_state
from pushfit.tasks import compatibility
from pushfit.training import backend


def write(folder: Path) -> None:
    """A `last.keras` in `folder`, as a run of the digits task leaves it."""
    backend.start()
    from pushfit.training import checkpoint, hidden_state, models

    model = models.build("smallcnn", patch=(28, 28, 1), classes=10, weights="none")
    kept = checkpoint_state.RunState(
        run="untrained", settings={"task": "digits"},
        source=compatibility.source_of(tasks.load("digits")),
        classes=tuple("0123456789"), counts={}, fingerprint="", epoch=0, step=0, taken=0,
        resumed_at=[], history={}, best=checkpoint_state.Best(), waiting=None,
        hidden_state=hidden_state.take(model, []),
        audited=Audited({}, [], bytes(32)),
    )  # fmt: skip
    checkpoint.save(model, folder / checkpoint_state.LAST, kept)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
