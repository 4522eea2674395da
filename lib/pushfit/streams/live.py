"""A stream from a fleet: sockets bound, dispatcher running, local generators started.

The trainer and every sink open the same stream from the same settings. Their differences are in a
`Purpose`. What they do with the batches is not known here.

    settings, task, purpose ─▶ LiveStream ─▶ .feed.batches("train"), .feed.batches("val")
                                             a sink: .feed.all()
"""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path

import msgspec

from pushfit import endpoint
from pushfit.dispatch.bad_records import BadRecords, Limit
from pushfit.dispatch.dispatcher import Dispatcher
from pushfit.dispatch.exchange import Exchange
from pushfit.dispatch.job import Job
from pushfit.errors import DataError
from pushfit.feed.feed import Feed
from pushfit.health import Health
from pushfit.observe.advisor import Load
from pushfit.plan.leases import Leases
from pushfit.settings.stream import StreamSettings
from pushfit.streams import lockstep, ranks
from pushfit.streams.fleet_load import load
from pushfit.streams.flow import Flow
from pushfit.streams.listening import Listening
from pushfit.streams.lockstep import Lockstep
from pushfit.streams.purpose import Counts, Purpose, new_run, plan_of
from pushfit.streams.stream import FleetReport, Stream
from pushfit.tasks import checks, compatibility
from pushfit.tasks.base import TEST, ArraySpec, DataSet, Task, has_partners
from pushfit.tasks.facts import Fact, difference
from pushfit.tasks.visiting import Visiting
from pushfit.wire import keys
from pushfit.wire.admission import Admission
from pushfit.wire.protocol import MAX_CONTROL_BYTES
from pushfit.wire.trainer_sockets import TrainerSockets

FRAME_SLACK = 2**16  # bytes by which a frame may exceed the largest array; no frame of ours does

log = logging.getLogger("pushfit.trainer")


class LiveStream(Stream):
    """A stream from a fleet. `with` binds the sockets and waits for the data set.

    purpose: what the stream is for.
    bad: is told of bad records; None: they are only counted against `--max-bad`.
    announce: a file that tells generators the address while the stream listens; None: no file.
    timeout: seconds without a delivery after which a wait for one raises StreamTimeout.

    `data` is the data set of this machine; None: it comes with the first generator.
    Raises ConfigError and DataError before anything is started.
    """

    def __init__(
        self,
        settings: StreamSettings,
        task: Task,
        purpose: Purpose,
        *,
        bad: BadRecords | None = None,
        announce: Path | None = None,
        timeout: float = math.inf,
    ) -> None:
        super().__init__(settings, task, purpose.run or new_run())
        self._purpose, self._announce, self._timeout = purpose, announce, timeout
        self.shards = shards = ranks.shards_of(settings)
        self._address = ranks.address_of(endpoint.parse(settings.bind, bind=True), shards)
        keys.check_bind(self._address, settings.keys, insecure=settings.insecure)
        self._admission: Admission | None = None
        if settings.keys:
            self._admission = Admission(keys.KeyFolder(Path(settings.keys)))
        self._bad = bad or BadRecords(limit=Limit.parse(settings.max_bad))
        self._facts = purpose.facts or {}  # which count in prediction
        self.data = data = purpose.scan(purpose.patches)
        self._job = Job(
            run=new_run(),  # new at every start, so that leases of an earlier process do not count
            task=task.name,
            source=compatibility.source_of(task),
            facts=self._facts if TEST in purpose.patches else {},
            params=msgspec.to_builtins(task.params),
            seed=settings.seed,
            patches=purpose.patches,
            heartbeat=min(1.0, settings.silence / 4, settings.expiry / 4),
            silence=settings.silence,
            expiry=settings.expiry,
            compress=settings.compress,
            shards=shards,
            shape=ranks.shape_of(settings) if shards.several else {},
        )
        self._listening: Listening | None = None  # until the stream is open
        if data is not None:
            self._compare(data)
            self._learn(dict(data.facts), settings.links)
            # It raises its errors before a socket is open.
            self._leases(data.counts(), data.visiting())
            purpose.check_classes(data.classes, settings.links)
        elif purpose.reference is not None:
            self._learn(purpose.reference.facts, purpose.reference.origin)

    @property
    def listening(self) -> Listening:
        """The trainer's end. Raises RuntimeError if the stream is not open."""
        if self._listening is None:
            raise RuntimeError("the stream is not open: enter it with `with` first")
        return self._listening

    @property
    def dispatcher(self) -> Dispatcher:
        return self.listening.dispatcher

    @property
    def port(self) -> int:
        """The port of the control socket."""
        return self.listening.port

    @property
    def address(self) -> str:
        return self.listening.address

    @property
    def origin(self) -> str:
        return self.settings.links if self.data is not None else self.reference.origin

    def _leases(self, counts: Counts, visiting: Visiting) -> Leases:
        settings, purpose = self.settings, self._purpose
        plan = plan_of(settings, self.task, purpose.orders(counts, visiting), self.shards)
        return Leases(
            plan,
            budget=settings.buffer_bytes,
            lease_bytes=settings.lease_bytes,
            expiry=settings.expiry,
            start=purpose.start(plan),
            given_up={(split, record): why for split, record, why in purpose.given_up},
            partners=has_partners(self.task),
        )

    @property
    def given_up(self) -> list[tuple[str, int, str]]:
        leases = self.dispatcher.exchange.leases
        found = list(leases.given_up.items()) if leases else []
        return [(split, record, why) for (split, record), why in found]

    def _compare(self, data: DataSet) -> None:
        """Raise DataError if this machine's data set is not that of the run that is resumed."""
        before = self._purpose.reference
        if before is None or data.fingerprint() == before.fingerprint:
            return
        then, now = before.records, sum(map(sum, data.counts().values()))
        raise DataError(
            f"the data set in {self.settings.links} is not the one that the run was started with: "
            f"{then:,} records of {len(before.classes)} classes then, {now:,} of "
            f"{len(data.classes)} now" + (", some with other names or sizes" if then == now else "")
        )

    def _learn(self, facts: dict[str, Fact], whose: str) -> tuple[ArraySpec, ...]:
        """Have the task know the facts of the data. Returns the arrays of its samples.

        Raises DataError where the facts do not suit the run, TaskError where the arrays are wrong.
        """
        purpose, task = self._purpose, self.task
        fixed = purpose.facts if TEST not in purpose.patches else None
        if fixed is not None and (other := difference(facts, fixed)):
            raise DataError(f"{whose}: its data is not that of this run: {other}")
        task.facts = {**facts, **self._facts}
        return checks.arrays(task)

    def _bind(self) -> TrainerSockets:
        settings = self.settings
        if (specs := checks.known_arrays(self.task)) is None:
            visit = settings.buffer_bytes  # no visit may be larger
        else:
            visit = max(self._job.patches.values()) * sum(spec.nbytes for spec in specs)
        return TrainerSockets(
            self._address,
            ranks.port_of(settings.data_port, self.shards),
            max(settings.lease_bytes, visit) + FRAME_SLACK,
            MAX_CONTROL_BYTES,
            data_total=2 * settings.buffer_bytes,  # leases of the plan, and as much that is late
            silence=settings.silence,
            admission=self._admission,
        )

    def open(self) -> Flow:
        settings, task, purpose, sockets = self.settings, self.task, self._purpose, self._bind()
        exchange = Exchange(
            sockets,
            self._job,
            checks.known_arrays(task),
            lambda reference: self._leases(reference.counts, reference.visiting),
            own_data=self.data,
            libraries=task.libraries,
            limits=lambda classes: checks.limits(task, classes, purpose.patches),
            reference=purpose.reference,
            learn=lambda reference: self._learn(reference.facts, reference.origin),
            bad=self._bad,
            health=Health(settings.health),
        )
        listening = self._listening = Listening(
            settings,
            self._address,
            sockets,
            exchange,
            self._admission,
            self._announce,
            self._timeout,
        )
        log.info("%s", listening)
        listening.announce()
        if settings.generators:
            listening.start_generators(settings.task if task.source else "")
        reference = self.dispatcher.reference(say=log.info)
        checks.declaration(task)  # what it could not say before the facts were known
        source, reference = purpose.route(self.dispatcher, reference)
        flow = Flow(settings, task, source, reference, self._load, audited=purpose.audited)
        if purpose.trains and self.shards.world > 1:
            self._watch(flow.feed)
        return flow

    def _watch(self, feed: Feed) -> None:
        """Have the log say when the training stands still, as it may wait for another rank."""
        pace, exchange = Lockstep(self.shards, lockstep.PATIENCE_SECONDS), self.dispatcher.exchange

        def look(now: float) -> None:
            if said := pace.look(feed.idle, exchange.gone, now):
                log.warning("%s", said)

        self.dispatcher.watch = look

    def _load(self, feed: Feed, now: float) -> Load:
        exchange, address = self.dispatcher.exchange, self.dispatcher.address
        found = load(feed, exchange, address, now, trains=self._purpose.trains)
        return msgspec.structs.replace(found, storing=self._purpose.storing())

    def close(self, *, done: bool, reason: str) -> None:
        """End the run for the fleet, then the local generators."""
        self._purpose.close()
        if self._listening is None:
            return
        if done and self._purpose.follow_up:
            done, reason = False, self._purpose.follow_up
        self._listening.close(done=done, reason=reason)
        if self._flow is not None:
            self._flow.feed.close()
        self._listening.close_generators(done=done)

    def fleet(self) -> FleetReport:
        exchange = self.dispatcher.exchange
        return FleetReport(
            exchange.roster.report(time.monotonic()),
            dict(exchange.backups),
            dict(sorted(exchange.faults.items())),
        )
