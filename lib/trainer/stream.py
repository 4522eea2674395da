"""A run's stream, opened: sockets bound, dispatcher running, local generators started.

The trainer and every sink open the same stream from the same settings; what they do with its
batches is their own affair.

    settings ─▶ Stream ─▶ .feed.batches("train"), .feed.batches("val")      (a sink: .feed.all())

Which splits there are, in which order each is visited, and where the stream begins is said by
`patches`, `_orders`, `_start` and `_reference`: a stream of another kind overrides these
(`lib/predicting/stream.py`, `lib/sinks/hdf5/stream.py`).
"""

from __future__ import annotations

import logging
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from cfg.stream import StreamSettings
from lib import tasks
from lib.errors import DataError, TaskError
from lib.fleet.local import LocalFleet
from lib.health import Health
from lib.observe.advisor import Load
from lib.plan.leases import Leases
from lib.plan.order import Plan, SplitOrder
from lib.tasks import checks
from lib.tasks.base import TRAIN, VAL, DataSet
from lib.trainer import outputs
from lib.trainer.advising import load
from lib.trainer.badlist import BadList, Limit
from lib.trainer.dispatcher import HASTY_SECONDS, Dispatcher
from lib.trainer.exchange import Exchange, Job
from lib.trainer.opened import Opened
from lib.trainer.roster import Reference
from lib.trainer.state import State
from lib.wire import endpoint, keys
from lib.wire.admission import Admission
from lib.wire.protocol import MAX_CONTROL_BYTES
from lib.wire.transport import TrainerSockets

FRAME_SLACK = 2**16  # bytes that a frame may exceed the largest array by: none of ours does

log = logging.getLogger("pushfit.trainer")


class Stream(Opened):
    """Context manager. Entering binds and waits for the data set; leaving ends the fleet's work.

    before: the run that is resumed; its stream begins where it stood.
    needs_data: the data set must be on this machine (its links were named, or local generators
    are to read it), rather than come with the first generator.
    quarantine: gets a row for each bad record of an epoch; earlier, listed: see `BadList`.
    announce: a file that holds the address for generators for as long as the stream listens.
    Raises ConfigError and DataError before anything is started.
    """

    def __init__(
        self,
        settings: StreamSettings,
        params: msgspec.Struct,
        *,
        needs_data: bool,
        before: State | None = None,
        quarantine: Callable[[Mapping[str, Any]], None] | None = None,
        earlier: Iterable[Mapping[str, Any]] = (),
        listed: str = "",
        announce: Path | None = None,
    ) -> None:
        self.settings, self._announce = settings, announce
        self._address = endpoint.parse(settings.bind, bind=True)
        keys.check_bind(self._address, settings.keys, insecure=settings.insecure)
        self._admission: Admission | None = None
        if settings.keys:
            self._admission = Admission(keys.KeyFolder(Path(settings.keys)))
        self._private: tempfile.TemporaryDirectory[str] | None = None
        wire_run = os.urandom(6).hex()  # new at every start: what was made for the dead is foreign
        self.run = before.run if before else wire_run
        self.before = before
        self._given_up_before = before.given_up if before else []
        self.task = tasks.load(settings.task)(params)
        checks.declaration(self.task)
        self.links = Path(settings.links)
        self._fleet: LocalFleet | None = None
        limit = Limit.parse(settings.max_bad)
        self._bad = BadList(quarantine, limit, earlier=earlier, listed=listed)
        self._own = self._own_data(needs_data or settings.generators > 0)
        self._job = Job(
            run=wire_run,
            task=self.task.name,
            source=self.task.source,
            params=msgspec.to_builtins(params),
            seed=settings.seed,
            patches=self.patches(),
            heartbeat=min(1.0, settings.silence / 4, settings.expiry / 4),
            silence=settings.silence,
            expiry=settings.expiry,
            compress=settings.compress,
        )
        self._sample_bytes = sum(spec.nbytes for spec in self.task.arrays())
        if self._own is not None:
            self._compare(self._own)
            self._leases(self._own.counts())  # its errors come before any socket is open

    def _own_data(self, needed: bool) -> DataSet | None:
        try:
            return checks.scan(self.task, self.links, self.patches())
        except DataError as error:
            if needed or isinstance(error, TaskError):
                raise
            log.info("%s", error)
            return None

    def patches(self) -> dict[str, int]:
        """Samples of a visit, for each split of this stream."""
        settings = self.settings
        return {TRAIN: settings.patches_per_visit, VAL: settings.val_patches_per_visit}

    def _orders(self, counts: Mapping[str, list[int]]) -> dict[str, SplitOrder]:
        """How each split with records is visited. Raises DataError."""
        settings, patches = self.settings, self.patches()
        orders = {
            TRAIN: SplitOrder(
                tuple(counts.get(TRAIN, ())),
                patches[TRAIN],
                visits_per_epoch=-(-settings.patches_per_epoch // patches[TRAIN]),
                balance=settings.balance,
            ),
            VAL: SplitOrder(tuple(counts.get(VAL, ())), patches[VAL], shuffle=False, fresh=False),
        }
        if not orders[TRAIN].records:
            raise DataError("the data set has no records to train on")
        if not orders[VAL].records:
            del orders[VAL]
        return orders

    def _plan(self, counts: Mapping[str, list[int]]) -> Plan:
        settings, orders = self.settings, self._orders(counts)
        return Plan(settings.seed, settings.epochs, orders, self._sample_bytes, settings.mix_visits)

    def _leases(self, counts: Mapping[str, list[int]]) -> Leases:
        settings, plan = self.settings, self._plan(counts)
        return Leases(
            plan,
            budget=settings.buffer_bytes,
            lease_bytes=settings.lease_bytes,
            expiry=settings.expiry,
            exact=settings.order == "exact",
            start=self._start(plan),
            given_up={(split, record): why for split, record, why in self._given_up_before},
        )

    @property
    def given_up(self) -> list[tuple[str, int, str]]:
        """(split, record, why) of the records that every later grant substitutes."""
        leases = self.dispatcher.exchange.leases
        found = list(leases.given_up.items()) if leases else []
        return [(split, record, why) for (split, record), why in found]

    def _compare(self, own: DataSet) -> None:
        """Raises DataError when this machine's data set is not the one of the run before."""
        before = self._reference()
        if before is None or own.fingerprint() == before.fingerprint:
            return
        then, now = before.records, sum(map(sum, own.counts().values()))
        raise DataError(
            f"the data set in {self.links} is not the one that the run was started with: {then:,} "
            f"records of {len(before.classes)} classes then, {now:,} of {len(own.classes)} now"
            + (", some of other names or sizes" if then == now else "")
        )

    def _reference(self) -> Reference | None:
        """The data set of the run before: known without data here and before a generator comes."""
        before = self.before
        if before is None:
            return None
        return Reference(
            before.classes, before.counts, before.fingerprint, [], "the run that is resumed"
        )

    def _bind(self) -> TrainerSockets:
        settings = self.settings
        visit = max(self._job.patches.values()) * self._sample_bytes
        largest = max(settings.lease_bytes, visit) + FRAME_SLACK
        sockets = TrainerSockets(
            self._address,
            settings.data_port,
            largest,
            MAX_CONTROL_BYTES,
            data_total=2 * settings.buffer_bytes,  # what the plan has cut, and what was fenced off
            silence=settings.silence,
            admission=self._admission,
        )
        self.port = sockets.control_port
        return sockets

    def _listening(self) -> str:
        keys, who = self.settings.keys, "anyone"
        if keys:
            who = f"generators with a key in {keys}"
        elif self._address.is_loopback:
            who = "generators of this host"
        return f"listening at tcp://{self._address.host}:{self.port} for {who}"

    def _from_elsewhere(self) -> str:
        """The address for generators on other hosts: by its name, if it listens everywhere."""
        everywhere = self._address.host in endpoint.EVERYWHERE
        return f"tcp://{socket.gethostname() if everywhere else self._address.host}:{self.port}"

    def _start_fleet(self) -> LocalFleet:
        """The local generators; with keys, they get one of their own that ends with the run."""
        key: Path | None = None
        if self._admission is not None:
            self._private = tempfile.TemporaryDirectory(prefix="pushfit-")  # made with mode 0700
            key = Path(self._private.name) / "local.key"
            pair, trainer = keys.new_pair("local"), self._admission.trainer.public
            keys.write_new(key, keys.GeneratorKey("local", pair.public, pair.secret, trainer))
            self._admission.admit_local(keys.raw(pair.public))
        address = f"tcp://{self._address.from_here}:{self.port}"
        return LocalFleet(
            self.settings.generators,
            address,
            self.links,
            self._fleet_ended,
            key=key,
            task=self.settings.task if self.task.source else "",
        )

    def __enter__(self) -> Stream:
        sockets = self._bind()
        exchange = Exchange(
            sockets,
            self._job,
            self.task.arrays(),
            lambda reference: self._leases(reference.counts),
            own_data=self._own,
            reference=self._reference(),
            bad=self._bad,
            health=Health(self.settings.health),
        )
        self.dispatcher = Dispatcher(sockets, exchange)
        self.dispatcher.start()
        try:
            log.info("%s", self._listening())
            if self._announce is not None:
                outputs.write_text(self._announce, f"{self._from_elsewhere()}\n")
            if self.settings.generators:
                self._fleet = self._start_fleet()
            self._begin(self.dispatcher, self.dispatcher.reference(say=log.info))
        except BaseException:
            self.close(done=False, reason="the trainer did not start")
            raise
        return self

    def _load(self, now: float) -> Load:
        exchange, address = self.dispatcher.exchange, self.dispatcher.address
        return load(self.feed, exchange, address, now, trains=self._trains)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        done = kind is None
        self.close(done=done, reason="the run is over" if done else "the run was interrupted")

    def _fleet_ended(self, code: int) -> None:
        if code:
            self.dispatcher.abort(
                DataError("the local generators ended and cannot go on; their messages say why")
            )

    def close(self, *, done: bool, reason: str) -> None:
        """End the run for the fleet, then the local generators."""
        if self._announce is not None:
            with suppress(OSError):  # the folder may be gone, and the run's end is no place to fail
                self._announce.unlink(missing_ok=True)
        self.dispatcher.close(done=done, reason=reason)
        if hasattr(self, "feed"):
            self.feed.close()
        if self._fleet is not None:
            # What a local generator holds is worth nothing now, and a person waits.
            self._fleet.close(*([] if done else [HASTY_SECONDS]))
        if self._private is not None:
            self._private.cleanup()

    def _generators(self) -> list[dict[str, Any]]:
        return self.dispatcher.exchange.roster.report(time.monotonic())

    def _faults(self) -> dict[str, int]:
        return dict(sorted(self.dispatcher.exchange.faults.items()))
