"""An inspection of a stored stream: its tables of samples, a contact sheet, and a check of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from pushfit import tasks
from pushfit.errors import ConfigError, DataError
from pushfit.installation import typed
from pushfit.observe import console, sheet
from pushfit.settings.resume_layer import values_of_run
from pushfit.sinks.hdf5.resume import is_whole
from pushfit.store import layout
from pushfit.store.layout import shard_path, shard_paths
from pushfit.store.shard import Shard
from pushfit.store.vetting import vetted
from pushfit.tasks.base import TRAIN, Task
from pushfit.text import as_lines, one_line

SHOWN = 64  # samples on a contact sheet
WAYS = 256  # number of values that `manipulation` may have
INTS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "int64")


class Contents:
    """The content of the store in `folder`. Raises DataError if `folder` is not a store."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, layout.read(folder)

    def places(self) -> list[tuple[str, int, int]]:
        """(split, epoch, number) of every shard that the complete store has."""
        return [
            (split, epoch, number)
            for split, form in self.store.splits.items()
            for epoch in range(form.epochs)
            for number in range(form.shards)
        ]

    def missing(self) -> list[Path]:
        """The paths of shards that are not there."""
        every = (shard_path(self.folder, *place) for place in self.places())
        return [path for path in every if not path.exists()]

    def task(self) -> Task | None:
        """The task that drew the samples; None: it is not on this host, or was changed."""
        try:
            known = values_of_run(self.folder).get("task")
            name = str(known.value) if known else self.store.task
            kind = tasks.load(name, said_by=f"the stored stream in {self.folder}")
            return kind(msgspec.convert(self.store.params, kind.Params))
        except (ConfigError, ImportError, msgspec.ValidationError):
            return None

    # -- info -------------------------------------------------------------------------------------

    def summary(self) -> str:
        """A description for people, in several lines."""
        store, missing = self.store, self.missing()
        arrays = (f"{layout.dataset(a.name)} {a.dtype} {a.shape}" for a in store.arrays)
        size = sum(path.stat().st_size for path in shard_paths(self.folder))
        lines = [
            f"task     {store.task}, seed {store.seed}, batches of {store.batch_size} mixed over "
            f"{store.mix_visits} visits",
            f"arrays   {', '.join(arrays)}",
            f"packed   {store.compress}; {size / 1e9:.2f} GB of files",
        ]
        for split, form in store.splits.items():
            epochs = f"{form.epochs} epoch{'s' * (form.epochs > 1)}"
            lines.append(
                f"{split:8} {epochs} of {form.visits:,} visits, {form.patches} patches of each"
            )
        if missing:
            lines.append(f"missing  {len(missing):,} files, first {missing[0].name}. {self._on()}")
        elif not is_whole(self.folder):
            lines.append(f"not complete: the sink was interrupted. {self._on()}")
        return as_lines(lines)

    def _on(self) -> str:
        return f"To resume it: {typed('sink')} --resume --out {self.folder}"

    def table(self, split: str) -> str:
        """A table of the samples of `split`, over all epochs, by class and by manipulation."""
        counts, bad = self.counts(split)
        ways = self._ways(counts.shape[1])
        shown = [n for n in range(len(ways)) if counts[:, n].any()] if len(ways) > 1 else []
        rows = [[split, "samples", *(ways[n] for n in shown)]]
        names = self.store.classes if len(counts) > 1 else ()
        for name, row in zip((*names, "all"), [*counts[: len(names)], counts.sum(0)], strict=True):
            rows.append([one_line(name), *(f"{count:,}" for count in (row.sum(), *row[shown]))])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(f"{cell:{'>' if n else '<'}{widths[n]}}" for n, cell in enumerate(row))
            for row in rows
        ]
        if bad:
            lines.append(f"visits to bad records, which hold substitutes: {bad:,}")
        return as_lines(lines)

    def counts(self, split: str) -> tuple[np.ndarray, int]:
        """Samples of `split` in the shards that are there, and visits to bad records.

        Returns ((classes, manipulations) int64, the number of those visits). There is one row if
        samples have no class number, and one column if they have no manipulation.
        """
        numbers = {spec.name for spec in self.store.arrays if not spec.shape and spec.dtype in INTS}
        classes = len(self.store.classes) if "label" in numbers else 1
        counts, bad = np.zeros((classes, WAYS), np.int64), 0
        for shard in self._shards(split):
            rows = np.zeros(shard.samples, np.int64)
            labels = shard.column("label") if "label" in numbers else rows
            ways = shard.column("manipulation") if "manipulation" in numbers else rows
            if (labels < 0).any() or (labels >= classes).any():
                raise DataError(
                    f"{shard.path} has labels that are not classes: check the store with "
                    f"`pushfit store verify {self.folder}`"
                )
            np.add.at(counts, (labels, np.clip(ways, 0, WAYS - 1)), 1)
            bad += len(shard.bad)
        return counts[:, : 1 if "manipulation" not in numbers else None], bad

    def _ways(self, count: int) -> list[str]:
        """The names of the `count` values of `manipulation`."""
        named = tuple(getattr(self.task(), "manipulation_names", ()))
        return [*named[:count], *(str(n) for n in range(len(named), count))]

    # -- verify and sheet -------------------------------------------------------------------------

    def verify(self, live: console.Live) -> list[str]:
        """Read every shard. Returns a sentence for each error; empty: all is well."""
        places = self.places()
        own = {shard_path(self.folder, *place) for place in places}
        wrong = [
            f"{path} is not a part of the stream in {self.folder}: move it away"
            for path in shard_paths(self.folder)
            if path not in own
        ]
        live.begin("verify", len(places))
        wrong += vetted(
            [(self.folder, *place) for place in places],
            whole=True,
            seen=lambda number, found: live.update(number, f"{len(wrong) + found} wrong"),
        )
        live.close()
        return wrong

    def sheet(self, into: Path) -> None:
        """Draw a contact sheet of the first training epoch, with one sample of a visit.

        into: the picture to write. Raises ConfigError if the samples have no pictures.
        """
        task = self.task()
        if task is None:
            raise ConfigError(
                f"the task {self.store.task}, which draws pictures of samples, is not on this host"
            )
        form = self.store.splits[TRAIN]
        visits = np.unique(np.linspace(0, form.visits - 1, SHOWN).astype(int)).tolist()
        rows: list[tuple[np.ndarray, ...]] = []
        for shard in self._shards(TRAIN):
            inside = [v for v in visits if shard.first <= v < shard.first + shard.count]
            rows += [tuple(array[:1] for array in shard.read(visit, 1)) for visit in inside]
            if len(rows) >= len(visits):
                break  # the first epoch
        names = [spec.name for spec in self.store.arrays]
        stacked = map(np.concatenate, zip(*rows, strict=True))
        batch = dict(zip(names, stacked, strict=False))
        images = task.pictures(batch) if batch else None
        if images is None:
            raise ConfigError(f"{self.folder} has no pictures to draw")
        captions = [task.caption(batch, n, self.store.classes) for n in range(len(images))]
        sheet.contact_sheet(images, captions, into)

    def _shards(self, split: str) -> Iterator[Shard]:
        for place in self.places():
            if place[0] == split and shard_path(self.folder, *place).exists():
                with Shard(self.folder, self.store, *place) as shard:
                    yield shard
