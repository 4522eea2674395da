"""THE specification of the wire. No I/O here: bytes in, frozen messages out, and the reverse.

Two sockets. **Control** (generator DEALER, trainer ROUTER) carries one frame a message: a msgpack
map whose `type` names one of the structs below and whose `v` is the protocol version. **Data**
(generator PUSH, trainer PULL) carries one finished lease a message: a header frame, then one raw
C-contiguous frame for each array of the task, in the task's order. A lease arrives whole or not at
all. Nothing is pickled, nothing is evaluated, no field becomes a path on the trainer.

Grammar, C: a generator's control, T: the trainer's, D: data:

    session   = *C:hello ( T:reject | T:welcome standby ( C:fail | C:ready ( T:reject | work ) ) )
    standby   = *( T:heartbeat | C:heartbeat ) [ ending ]
    work      = *( T:grant | D:lease | C:fail | C:heartbeat | T:heartbeat ) ending
    ending    = C:bye *D:lease | T:fin C:bye | T:reset session

A generator says hello about once a second until it is answered. That a side is gone shows in its
connection, which ZeroMQ's own heartbeats end after `silence` seconds; the generator starts again at
hello. The heartbeats here say what somebody does, and that its Python is alive. `reset` answers
whoever speaks out of turn (a trainer that was restarted knows nobody). The bye after a fin says
that it was heard: ZeroMQ drops what a generator has not read when the trainer's socket closes.

A generator with several trainers says hello to all and ready to one, and stands by at the others
(`plan/sharing.py`); a heartbeat between welcome and ready, with something to do, says that it
is coming. When it goes to another, it says bye, and a while later hello, to stand by again.

The data set comes in READY rather than HELLO: only WELCOME tells a generator which task to scan
for. A generator's name is its ROUTER identity; it repeats it in each data header, where ZeroMQ
gives none.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import msgspec

from pushfit.errors import ProtocolError
from pushfit.tasks.base import ArraySpec, Unused
from pushfit.tasks.facts import Facts

VERSION = 1
MAX_CONTROL_BYTES = 16 * 2**20  # a READY with the listing of a million files stays under it
MAX_RECORDS = 2**26  # in a data set: its order alone takes half a gigabyte

MAX_CLASSES = 1_000_000
MAX_REASONS = 64  # for which something is not used

Text = Annotated[str, msgspec.Meta(max_length=4096)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
ClassName = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]  # as long as a path may be
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Number = Annotated[int, msgspec.Meta(ge=-1, le=2**53)]  # -1: none
Samples = Annotated[int, msgspec.Meta(ge=1, le=2**31)]  # of a visit
Packed: TypeAlias = Literal["", "zstd"]  # how a frame is compressed; "": not at all
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Interval = Annotated[float, msgspec.Meta(gt=0, le=1e9)]  # seconds that somebody waits for


class Message(msgspec.Struct, frozen=True, tag_field="type", tag=str.lower):
    """Every message. `v`: protocol version."""

    v: Annotated[int, msgspec.Meta(ge=VERSION, le=VERSION)] = VERSION


# -- generator → trainer, control ---------------------------------------------------------------


class Hello(Message, frozen=True, kw_only=True):
    """I am here. slots: the most leases I hold.

    libraries: what decides my pixels; version: of PushFit.
    """

    host: Name
    pid: Count
    slots: Annotated[int, msgspec.Meta(ge=1, le=1024)]
    libraries: Annotated[dict[Name, Name], msgspec.Meta(max_length=64)]
    version: Name


class Ready(Message, frozen=True, kw_only=True):
    """I have scanned my data. listing: `listing.pack`, empty where the fingerprint is the run's.

    source: the code that draws my samples (`tasks.compatibility.source_of`).
    unused, validation, version, facts: as a `DataSet` has them, for a trainer to tell people.
    """

    run: Name
    source: Name
    fingerprint: Name
    classes: Annotated[tuple[ClassName, ...], msgspec.Meta(max_length=MAX_CLASSES)]
    counts: Annotated[dict[Name, list[Count]], msgspec.Meta(max_length=16)]
    listing: bytes = b""
    unused: Annotated[list[Unused], msgspec.Meta(max_length=MAX_REASONS)] = []
    validation: Text = ""
    version: Text = ""
    facts: Facts = {}


class Heartbeat(Message, frozen=True, kw_only=True):
    """I am alive. doing: the file in hand, for messages to people; with its lease and record.

    ask: I start on that record when you have answered (ALIVE): if I die, it will have been that.
    """

    run: Name
    doing: Text = ""
    lease: Number = -1
    record: Number = -1
    ask: bool = False


class Fail(Message, frozen=True, kw_only=True):
    """I could not make a lease. record ≥ 0 and retry: my host could not read it; try elsewhere.

    Nor had it the memory, disk or descriptors for it. Without retry nothing can mend it, as far as
    I see (every record of a class is bad, the task's code is broken).
    """

    run: Name
    lease: Count
    fence: Count
    record: Number
    path: Text
    reason: Text
    retry: bool


class Bye(Message, frozen=True, kw_only=True):
    """I am leaving; these leases I have not started. After FIN: I heard it, there are none."""

    run: Name
    unstarted: Annotated[list[Count], msgspec.Meta(max_length=1024)]


# -- trainer → generator, control ---------------------------------------------------------------


class Need(msgspec.Struct, frozen=True, array_like=True):
    """Of a run's work. working: generators at it; wants: one more would find some to do."""

    working: Count = 0
    wants: bool = True


class Welcome(Message, frozen=True, kw_only=True):
    """What to make. data_port: where to push; fingerprint: the run's data set, if known yet.

    source: the code that draws the trainer's samples; yours must be the same: code never travels.
    expiry: a file or a user's code that does not come back for so long is stuck.
    facts: of the run that predicts, which count instead of your data's.
    compress: whether arrays may come compressed (`pushfit/wire/compression.py`), and how.
    """

    run: Name
    task: Name
    params: dict[str, Any]
    seed: Count
    patches: Annotated[dict[Name, Samples], msgspec.Meta(min_length=1, max_length=16)]
    data_port: Annotated[int, msgspec.Meta(ge=1, le=65535)]
    heartbeat: Interval
    silence: Interval
    expiry: Interval
    fingerprint: str = ""
    source: Annotated[str, msgspec.Meta(max_length=200)] = ""
    compress: Literal["none", "auto", "zstd"] = "none"
    need: Need = Need()
    facts: Facts = {}


class Reject(Message, frozen=True, kw_only=True):
    """I will not work with you; reason is a sentence that a person can act on."""

    reason: Text


class Grant(msgspec.Struct, frozen=True, array_like=True):
    """One lease: visits first … first+len(records)-1 of an epoch; bad: records to substitute.

    careful: it has brought a generator down, maybe. Announce each record before you start on it.
    """

    lease: Count
    fence: Count
    split: Name
    epoch: Count  # seeds the patches
    first: Count
    records: Annotated[list[Count], msgspec.Meta(min_length=1)]
    bad: list[Count]
    careful: bool = False


class Grants(Message, frozen=True, kw_only=True):
    """Leases for you, to be made in this order."""

    run: Name
    grants: list[Grant]


class Alive(Message, frozen=True, kw_only=True):
    """The trainer's heartbeat. lease, record: those of the heartbeat that asked for it."""

    run: Name
    lease: Number = -1
    record: Number = -1
    need: Need | None = None


class Reset(Message, frozen=True, kw_only=True):
    """I do not know you, or not in this state: drop what you hold and say hello."""

    run: Name


class Fin(Message, frozen=True, kw_only=True):
    """The run is over (`done`), or was interrupted and may come back (not `done`)."""

    run: Name
    done: bool
    reason: Text = ""


# -- data -------------------------------------------------------------------------------------


class Bad(msgspec.Struct, frozen=True, array_like=True):
    """A visit that was not drawn as planned. traceback: where code raised.

    instead: path of the record whose samples the visit holds, since its own cannot be used.
    redrawn: where the visit holds samples of its own record, how many were drawn anew.
    partner: the record is not the visit's own, but a further one of which its samples are made.
    """

    visit: Count
    record: Count
    path: Text
    reason: Text
    traceback: Text = ""
    instead: Text = ""
    redrawn: Count = 0
    partner: bool = False

    @property
    def substituted(self) -> bool:
        """Return whether the visit holds samples of another record than its own."""
        return not self.redrawn and not self.partner


class Stages(msgspec.Struct, frozen=True, array_like=True):
    """Seconds that a lease took, by stage. `wait` is time in which the reader was not ready.

    send, idle: seconds since the lease before in which there was nothing to make: while what had
    been made was still on its way, and while no lease was granted. All but `read`, which goes on
    beside the others, add up to the time of the generator.
    """

    read: Seconds = 0.0
    decode: Seconds = 0.0
    transform: Seconds = 0.0
    wait: Seconds = 0.0
    pack: Seconds = 0.0
    send: Seconds = 0.0
    idle: Seconds = 0.0


class Data(Message, frozen=True, kw_only=True):
    """Header of a finished lease. arrays: (count·K, *shape) each, one frame each.

    packed: for each array how its frame is compressed, "" where it is raw; empty: all are.
    """

    run: Name
    generator: Name
    lease: Count
    fence: Count
    first: Count
    count: Annotated[int, msgspec.Meta(ge=1, le=2**31)]
    arrays: Annotated[tuple[ArraySpec, ...], msgspec.Meta(max_length=64)]
    stages: Stages
    bad: Annotated[list[Bad], msgspec.Meta(max_length=100_000)] = []
    packed: Annotated[tuple[Packed, ...], msgspec.Meta(max_length=64)] = ()


FromGenerator: TypeAlias = Hello | Ready | Heartbeat | Fail | Bye
FromTrainer: TypeAlias = Welcome | Reject | Grants | Alive | Reset | Fin


class State(Enum):
    """A generator's state as its trainer keeps it."""

    UNKNOWN = "unknown"
    WELCOMED = "welcomed"
    LEASING = "leasing"
    DRAINING = "draining"
    REJECTED = "rejected"


# What a generator may say in which state, and the state that follows. A pair that is not here is
# answered with RESET.
LEGAL: dict[tuple[State, type[FromGenerator]], State] = {
    (State.UNKNOWN, Hello): State.WELCOMED,
    (State.WELCOMED, Hello): State.WELCOMED,
    (State.LEASING, Hello): State.WELCOMED,
    (State.DRAINING, Hello): State.WELCOMED,
    (State.REJECTED, Hello): State.WELCOMED,
    (State.WELCOMED, Ready): State.LEASING,
    (State.WELCOMED, Heartbeat): State.WELCOMED,
    (State.WELCOMED, Fail): State.REJECTED,
    (State.LEASING, Heartbeat): State.LEASING,
    (State.LEASING, Fail): State.LEASING,
    (State.DRAINING, Heartbeat): State.DRAINING,
    (State.DRAINING, Fail): State.DRAINING,
    (State.WELCOMED, Bye): State.UNKNOWN,
    (State.LEASING, Bye): State.DRAINING,
}

_encoder = msgspec.msgpack.Encoder()
_generator_decoder: msgspec.msgpack.Decoder[FromGenerator] = msgspec.msgpack.Decoder(FromGenerator)
_trainer_decoder: msgspec.msgpack.Decoder[FromTrainer] = msgspec.msgpack.Decoder(FromTrainer)
_data_decoder = msgspec.msgpack.Decoder(Data)


class _Envelope(msgspec.Struct):
    v: int = 0


_envelope_decoder = msgspec.msgpack.Decoder(_Envelope)


def encode(message: Message) -> bytes:
    """The frame of a control message, or the header frame of a lease."""
    return _encoder.encode(message)


def encode_params(params: Any) -> bytes:
    """A task's parameters as bytes, for comparing."""
    return msgspec.msgpack.encode(params, order="sorted")


def unfit(message: FromGenerator) -> str:
    """Why a trainer would not take `message`, in words that name the part; ``""``: it would.

    What is real may be larger than what a trainer allows a stranger: whoever would send such a
    message has to say so and to end, as no other answer than RESET would ever come.
    """
    frame = encode(message)
    if len(frame) > MAX_CONTROL_BYTES:
        return (
            f"it takes {len(frame):,} bytes, and a trainer allows {MAX_CONTROL_BYTES:,} (names of "
            "classes are most of it)"
        )
    try:
        from_generator(frame)
    except ProtocolError as error:
        return str(error.__cause__ or error)
    return ""


def from_generator(frame: bytes) -> FromGenerator:
    """A generator's control message. Raises ProtocolError on anything else."""
    return _decode(_generator_decoder, frame)


def from_trainer(frame: bytes) -> FromTrainer:
    """The trainer's control message. Raises ProtocolError on anything else."""
    return _decode(_trainer_decoder, frame)


def data_header(frame: bytes) -> Data:
    """The header of a lease. Raises ProtocolError on anything else."""
    return _decode(_data_decoder, frame)


T = TypeVar("T")


def _decode(decoder: msgspec.msgpack.Decoder[T], frame: bytes) -> T:
    try:
        return decoder.decode(frame)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        try:
            version = _envelope_decoder.decode(frame).v
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            version = VERSION
        if version != VERSION:
            raise ProtocolError(
                f"the peer speaks version {version} of the protocol, this side {VERSION}: "
                "install the same PushFit on both"
            ) from error
        raise ProtocolError(f"not a message of this protocol: {error}") from error
