"""The trainer's two receive paths without sockets: bytes in, what the trainer does with them out.

An input is a program: a sequence of steps, each of which hands the exchange one message. Its first
byte picks the kind of the step; a step is either raw bytes, or a message of the protocol that was
changed in some places, which gets past the decoder and into the states behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from pushfit import __version__
from pushfit.dispatch.bad_records import BadRecords
from pushfit.dispatch.exchange import Exchange
from pushfit.dispatch.job import Job
from pushfit.errors import DataError, ProtocolError
from pushfit.feed.source import Reference
from pushfit.plan.leases import Lease, Leases
from pushfit.plan.order import Plan, SplitOrder
from pushfit.tasks.base import DataSet, Record
from pushfit.wire import file_listing
from pushfit.wire import protocol as wire
from pushfit.wire.connections import STRIKES, Origin
from pushfit.wire.in_memory import InMemoryGenerator, InMemoryTrainer
from tests.support.fakes import NumberParams, NumberTask

PATCHES = {"train": 2, "val": 1}
SAMPLE = 4 * 4 * 4 + 4
TASK = NumberTask(NumberParams())
RECORDS = tuple(Record(f"train/{n}", 1, n % 2) for n in range(12))
DATA_SET = DataSet(("even", "odd"), {"train": RECORDS, "val": RECORDS[:2]})
NAMES = ("a", "b", "c", "\x00\x01")
USERS = ("", "", "k")
MOST_STEPS = 24
VALUES: tuple[Any, ...] = (
    *(-1, 0, 1, 2, 3, 2**31, 2**53, 2**63, 2**64 - 1, 0.5, float("nan"), float("inf"), 1e308),
    *(None, True, "", "run", "a", "x" * 5000, "\x1b[2J", b"", b"\xff" * 50, [], {}, [[]], [1, 2]),
    *({"train": [1, 1]}, {"train": [2**53, 2]}, {"train": []}, ["even", "odd"]),
)


class Reader:
    """Takes an input apart; past its end, all is zero."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    @property
    def left(self) -> bool:
        return self.at < len(self.data)

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1] if self.at <= len(self.data) else 0

    def take(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]


class Machine:
    """One exchange; `run` gives it the messages of an input. Raises what must not be raised."""

    def __init__(self, *, own: bool = True) -> None:
        self.sockets = InMemoryTrainer(waits=False)
        self._ends = {name: InMemoryGenerator(self.sockets, name) for name in NAMES}
        self._how: tuple[wire.Packed, ...] = ()
        self.task, self.data_set = TASK, DATA_SET
        job = Job(
            run="run",
            task="number",
            params={},
            seed=1,
            patches=PATCHES,
            heartbeat=0.0,
            silence=1.0,
            source="s",
        )
        self.rows = 0
        self.exchange = Exchange(
            self.sockets, job, self.task.arrays(), self._leases,
            own_data=self.data_set if own else None, bad=BadRecords(self._note),
        )  # fmt: skip

    def reconnect(self) -> None:
        """Let all generators be there again."""
        for end in self._ends.values():
            end.settle()

    def _note(self, row: Mapping[str, Any]) -> None:
        self.rows += 1

    def _leases(self, reference: Reference) -> Leases:
        orders = {
            split: SplitOrder(tuple(reference.counts.get(split, ())), patches, visits_per_epoch=30)
            for split, patches in PATCHES.items()
        }
        if not orders["train"].records:
            raise DataError("no records")
        if not orders["val"].records:
            del orders["val"]
        plan = Plan(1, 2, orders, SAMPLE, 2)
        return Leases(plan, budget=60 * SAMPLE, lease_bytes=6 * SAMPLE)

    def run(self, program: bytes) -> int:
        """Returns how many messages it gave."""
        reader = Reader(program)
        for step in range(MOST_STEPS):
            if not reader.left:
                return step
            self._step(reader)
            self.exchange._next_tick = 0.0  # a tick after every message
            try:
                self.exchange.turn()
            except DataError as error:  # a generator whose task cannot be made ends the run
                if "generator says" not in str(error):
                    raise
            self._check()
        return MOST_STEPS

    def _step(self, reader: Reader) -> None:
        kind = reader.byte()
        name, user = NAMES[kind >> 4 & 3], USERS[kind >> 6 if kind >> 6 < 3 else 0]
        what = kind & 15
        if what == 0:
            frame = reader.take(reader.byte())
            self.sockets.control.append((name, frame, Origin(1, user, False)))
        elif what == 1:
            head, frames = reader.take(reader.byte()), [reader.take(reader.byte())]
            self.sockets.data.append((head, frames, Origin(2, user, True)))
        elif what == 2:
            if self.sockets.connected(name):
                self.sockets.disconnect(name)
            else:
                self._ends[name].settle()
        elif what == 3:
            self.sockets.revoking.append(user)
        elif what == 4:
            while self.exchange.ready:
                for delivery in self.exchange.ready.popleft():
                    self.exchange.handed.append(delivery.lease)
        elif what >= 10:
            message = self._data(name, reader)
            self._how = self._packed(reader) if what == 15 else ()
            head = self._changed(msgspec.structs.replace(message, packed=self._how), reader)
            self.sockets.data.append((head, self._frames(reader), Origin(2, user, True)))
        else:
            message = self._message(what, name, reader)
            frame = self._changed(message, reader)
            self.sockets.control.append((name, frame, Origin(1, user, False)))

    def _message(self, what: int, name: str, reader: Reader) -> wire.Message:
        roster = self.exchange.roster
        if what == 5:
            return wire.Hello(
                host="h", pid=1, slots=1 + reader.byte() % 9, libraries=roster.libraries,
                version=__version__,
            )  # fmt: skip
        if what == 6:
            data = self.data_set
            return wire.Ready(
                run="run", source="s", fingerprint=data.fingerprint(), classes=data.classes,
                counts=data.counts(), listing=reader.take(reader.byte() % 40),
            )  # fmt: skip
        if what == 7:
            lease, _ = self._held(name, reader)
            at = reader.byte()
            return wire.Heartbeat(
                run="run",
                doing="x",
                lease=lease,
                record=at % 16 - 1,
                ask=at > 127,
                gone=(at, 2**53)[: at % 3],
            )
        held = self._held(name, reader)
        if what == 8:
            return wire.Fail(
                run="run", lease=held[0], fence=held[1], record=reader.byte() - 1, path="p",
                reason="generator says", retry=True,
            )  # fmt: skip
        return wire.Bye(run="run", unstarted=[held[0]])

    def _held(self, name: str, reader: Reader) -> tuple[int, int]:
        """A lease that `name` holds with its fence, or one made up."""
        leases = self.exchange.leases
        member = leases.members.get(name) if leases else None
        pick = reader.byte()
        if member is not None and member.hand and pick < 200:
            return list(member.hand.items())[pick % len(member.hand)]
        return pick % 8, pick % 3

    def _data(self, name: str, reader: Reader) -> wire.Data:
        held, fence = self._held(name, reader)
        lease = self.exchange.leases.find(held) if self.exchange.leases else None
        first, count = (lease.start, lease.count) if lease else (0, 1)
        patches = lease.segment.patches if lease else 1
        self._shape = [count * patches * 64, count * patches * 4]
        return wire.Data(
            run="run", generator=name, lease=held, fence=fence, first=first, count=count,
            arrays=self.task.arrays(), stages=wire.Stages(),
            bad=[self._bad(lease, reader.byte())] if reader.byte() > 200 else [],
        )  # fmt: skip

    def _bad(self, lease: Lease | None, number: int) -> wire.Bad:
        """A bad record as the lease has it, or one that is made up."""
        reference, leases = self.exchange.roster.reference, self.exchange.leases
        if lease is None or reference is None or leases is None or number % 2:
            return wire.Bad(0, number, "p", "r")
        record = int(leases.plan.records(lease.segment)[lease.start])
        first = 0 if lease.segment.split == "train" else sum(reference.counts["train"])
        listed = reference.listing[first + record : first + record + 1]
        path = listed[0].rpartition("\t")[0] if listed else "p"
        return wire.Bad(lease.start, record, path, "r", instead=path)

    def _packed(self, reader: Reader) -> tuple[wire.Packed, ...]:
        """`_frames` packs what is said to be packed, in most cases."""
        how = reader.byte()
        packed: tuple[wire.Packed, ...] = ("zstd", "zstd" if how & 1 else "")
        return packed if how < 200 else (*packed, "") if how < 230 else ()

    def _frames(self, reader: Reader) -> list[bytes]:
        sizes, change = list(self._shape), reader.byte()
        if change > 240:
            sizes.append(1)
        elif change > 220:
            sizes.pop()
        elif change > 200:
            sizes[0] += 1
        frames = [bytes(size) for size in sizes]
        for at, how in enumerate(self._how[: len(frames)]):
            if how:
                packed = zstandard.compress(frames[at] if change % 3 else frames[at][1:])
                frames[at] = packed[: len(packed) - (change % 7 == 1)]
        return frames

    def _changed(self, message: wire.Message, reader: Reader) -> bytes:
        """`message` as bytes, changed as the input says: mostly not, a field, or some bytes."""
        how = reader.byte()
        frame = wire.encode(message)
        if how < 160:
            return frame
        if how < 230:
            told = msgspec.msgpack.decode(frame)
            fields = sorted(told)
            told[fields[reader.byte() % len(fields)]] = VALUES[reader.byte() % len(VALUES)]
            try:
                return msgspec.msgpack.encode(told)
            except OverflowError:
                return frame
        mutable = bytearray(frame)
        for _ in range(how - 229):
            mutable[reader.byte() % len(mutable)] = reader.byte()
        return bytes(mutable)

    def _check(self) -> None:
        """What must hold after every message, whatever it was."""
        exchange = self.exchange
        assert len(exchange.roster.peers) <= len(NAMES)
        assert len(exchange.faults) < 30
        assert exchange._work is None or len(exchange._work.results) <= 60
        assert all(count <= STRIKES for count in self.sockets.strikes.values())
        if exchange.leases is not None:
            assert 0 <= exchange.leases.charged <= exchange.leases.budget
            assert set(exchange.leases.members) <= set(exchange.roster.peers)


def decoders(data: bytes) -> None:
    """Every decoder on the same bytes: a message, a ProtocolError, and nothing else."""
    for decode in (wire.from_generator, wire.from_trainer, wire.data_header, file_listing.unpack):
        try:
            decode(data)  # type: ignore[operator]
        except ProtocolError:
            continue


def one_input(data: bytes) -> int:
    """What the fuzzer calls, and the tests with each file of the corpus; the messages it held."""
    decoders(data[1:])
    return Machine(own=not data[:1] or data[0] < 128).run(data[1:])


CORPUS = Path(__file__).with_name("corpus.msgpack")  # a list of inputs


def corpus() -> list[bytes]:
    """The inputs that earlier fuzzing found worth keeping."""
    return msgspec.msgpack.decode(CORPUS.read_bytes(), type=list[bytes])
