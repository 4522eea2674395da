"""python -m bench._untrained DIR: a run that was never trained, with `smallcnn` for digits."""

from __future__ import annotations

import sys
from pathlib import Path

from lib.tasks import identity
from lib.trainer import backend, state


def write(folder: Path) -> None:
    """A `last.keras` in `folder`, as a run of the digits task leaves it."""
    backend.start()
    from lib.trainer import checkpoint, extras, models

    model = models.build("smallcnn", patch=(28, 28, 1), classes=10, weights="none")
    kept = state.State(
        run="untrained", settings={"task": "digits"}, source=identity.source_hash(),
        classes=tuple("0123456789"), counts={}, fingerprint="", epoch=0, step=0, taken=0,
        resumed_at=[], history={}, best=state.Best(), waiting=None,
        extras=extras.take(model, []), audited=state.Audited({}, [], bytes(32)),
    )  # fmt: skip
    checkpoint.save(model, folder / state.LAST, kept)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
