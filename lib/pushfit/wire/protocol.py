"""THE specification of the wire: messages as bytes and as frozen structs. It does no I/O.

There are two sockets. **Control** (generator DEALER, trainer ROUTER) carries messages of one frame:
a msgpack map whose `type` names one of the structs below and whose `v` is the version of the
protocol. **Data** (generator PUSH, trainer PULL) carries messages of one finished lease: a header
frame, then one raw C-contiguous frame for each array of the task, in the task's order. A lease
arrives whole or not at all. Nothing is pickled or evaluated, and no field becomes a path on the
trainer.

This is the grammar. C: a generator's control messages, T: the trainer's, D: data.

    session   = *C:hello ( T:reject | T:welcome standby ( C:fail | C:ready ( T:reject | work ) ) )
    standby   = *( T:heartbeat | C:heartbeat ) [ ending ]
    work      = *( T:grant | D:lease | C:fail | C:heartbeat | T:heartbeat ) ending
    ending    = C:bye *D:lease | T:fin C:bye | T:reset session

A generator says hello about once a second until it is answered. If one side is lost, ZeroMQ's own
heartbeats end the connection after `silence` seconds, and the generator begins again at hello. The
heartbeats of this protocol say what their sender does, and that its Python is alive. `reset`
answers a peer that speaks out of turn (a trainer that was restarted knows no generator). The bye
after a fin says that the fin was read: when the trainer's socket closes, ZeroMQ drops what a
generator has not read.

A generator with several trainers says hello to all and ready to one, and stands by at the others
(`plan/sharing.py`). A heartbeat between welcome and ready whose `doing` is not empty says that the
generator is about to join. When a generator moves to another trainer, it says bye, and a while
later hello, to stand by.

The data set comes in READY and not in HELLO, as only WELCOME tells a generator for which task to
scan. A generator's name is its ROUTER identity. Each data header repeats the name, since a PULL
does not know it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from pushfit.errors import ProtocolError
from pushfit.tasks.base import ArraySpec, Unused
from pushfit.tasks.facts import Facts

VERSION = 1
MAX_CONTROL_BYTES = 16 * 2**20  # enough for a READY with the listing of a million files
MAX_RECORDS = 2**26  # most records of a data set: their order alone takes half a gigabyte
MAX_CLASSES = 1_000_000
MAX_REASONS = 64  # most reasons for which records are not used

Text = Annotated[str, msgspec.Meta(max_length=4096)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
ClassName = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]  # 4096: the longest path
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Shard = Annotated[int, msgspec.Meta(ge=1, le=4096)]  # shards, or trainers
Number = Annotated[int, msgspec.Meta(ge=-1, le=2**53)]  # -1: there is none
Samples = Annotated[int, msgspec.Meta(ge=1, le=2**31)]  # samples of a visit
Packed: TypeAlias = Literal["", "zstd"]  # how a frame is compressed; "": it is raw
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Interval = Annotated[float, msgspec.Meta(gt=0, le=1e9)]  # seconds, more than 0


class Message(msgspec.Struct, frozen=True, tag_field="type", tag=str.lower):
    """The base of every message. v: the version of the protocol."""

    v: Annotated[int, msgspec.Meta(ge=VERSION, le=VERSION)] = VERSION


# -- generator → trainer, control ---------------------------------------------------------------


class Hello(Message, frozen=True, kw_only=True):
    """I am here.

    slots: most leases that I hold at once.
    libraries: {library that decides my pixels: its version}.
    """

    host: Name
    pid: Count
    slots: Annotated[int, msgspec.Meta(ge=1, le=1024)]
    libraries: Annotated[dict[Name, Name], msgspec.Meta(max_length=64)]
    version: Name


class Ready(Message, frozen=True, kw_only=True):
    """I have scanned my data.

    source: a hash of the code that draws my samples (`tasks.compatibility.source_of`).
    counts: {split: number of records of each class}.
    listing: my files, by `file_listing.pack`; empty if the fingerprint is the run's.
    unused, validation, version, facts: those of my `DataSet`.
    weights, groups: those of my `DataSet`, by `packed_visiting.pack`; UNSET: it has none, or the
        fingerprint is the run's.
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
    weights: bytes | UnsetType = UNSET
    groups: bytes | UnsetType = UNSET


class Heartbeat(Message, frozen=True, kw_only=True):
    """I am alive.

    doing: the file that I work on, for messages to people.
    lease, record: the lease and the record that I work on; -1: none.
    ask: I begin with that record when you have answered with ALIVE. So if I crash, you know where.
    gone: ranks of your run that have answered me and do not any more, for messages to people.
    """

    run: Name
    doing: Text = ""
    lease: Number = -1
    record: Number = -1
    ask: bool = False
    gone: Annotated[tuple[Count, ...], msgspec.Meta(max_length=4096)] = ()


class Fail(Message, frozen=True, kw_only=True):
    """I could not make a lease.

    record: the record at fault; -1: none.
    retry: my host could not read the record, or lacked memory, disk or descriptors for it, so
        another host should try. False: as far as I know no host can make the lease (every record of
        a class is bad, or the task's code is broken).
    """

    run: Name
    lease: Count
    fence: Count
    record: Number
    path: Text
    reason: Text
    retry: bool


class Bye(Message, frozen=True, kw_only=True):
    """I am leaving. unstarted: my leases that I have not begun; empty in the answer to FIN."""

    run: Name
    unstarted: Annotated[list[Count], msgspec.Meta(max_length=1024)]


# -- trainer → generator, control ---------------------------------------------------------------


class Need(msgspec.Struct, frozen=True, array_like=True):
    """A run's need: `working` generators work for it; `wants`: one more would find work.

    stock: the share of its buffer that is filled. hungry: its trainer waits for samples.
    """

    working: Count = 0
    wants: bool = True
    stock: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    hungry: bool = False


class Welcome(Message, frozen=True, kw_only=True):
    """This is the run and its task.

    patches: {split: samples of a visit}.
    data_port: the port to push leases to.
    heartbeat: seconds between two of your heartbeats.
    silence: seconds of silence after which a connection is ended.
    expiry: seconds without progress after which a file, or a user's code, is stuck.
    fingerprint: that of the run's data set; ``""``: it is not known yet.
    source: a hash of the code that draws the trainer's samples; yours must be equal.
    compress: how arrays may be compressed (`pushfit/wire/compression.py`).
    facts: those of the run that predicts, which count instead of your data's.
    shards: (shards of the stream, trainers, number of this one), as `plan.shards.Shards` has them.
    shape: {setting: text} of what must be the same for all trainers of the run; empty: it has one.
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
    shards: tuple[Shard, Shard, Count] = (1, 1, 0)
    shape: Annotated[dict[Name, Text], msgspec.Meta(max_length=64)] = {}


class Reject(Message, frozen=True, kw_only=True):
    """You cannot work for this run. reason: a sentence that a person can act on."""

    reason: Text


class Grant(msgspec.Struct, frozen=True, array_like=True):
    """One lease: the visits first … first+len(records)-1 of an epoch.

    records: the record of each visit.
    bad: records that must be substituted.
    careful: it may have brought a generator down: announce each record before you begin with it.
    """

    lease: Count
    fence: Count
    split: Name
    epoch: Count  # the epoch that seeds the samples
    first: Count
    records: Annotated[list[Count], msgspec.Meta(min_length=1)]
    bad: list[Count]
    careful: bool = False


class Grants(Message, frozen=True, kw_only=True):
    """Make these leases, in this order."""

    run: Name
    grants: list[Grant]


class Alive(Message, frozen=True, kw_only=True):
    """I am alive. lease, record: those of the heartbeat that asked for this answer; -1: none."""

    run: Name
    lease: Number = -1
    record: Number = -1
    need: Need | None = None


class Reset(Message, frozen=True, kw_only=True):
    """I do not know you, or your message is not allowed now: drop your leases and say hello."""

    run: Name


class Fin(Message, frozen=True, kw_only=True):
    """The run has ended. done: it is over; False: it was interrupted and may be resumed."""

    run: Name
    done: bool
    reason: Text = ""


# -- data -------------------------------------------------------------------------------------


class Bad(msgspec.Struct, frozen=True, array_like=True):
    """A visit that was not drawn as planned.

    traceback: that of the task's code, if it raised; else ``""``.
    instead: the path of the substitute whose samples the visit holds; ``""``: it holds its own.
    redrawn: the number of its own samples that were drawn again.
    partner: the record is not the visit's own, but a further one that its samples are made of.
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
    """Seconds that a lease took, by stage. All but `read` add up to the time of the generator.

    read: reading, which is done beside the other stages.
    wait: waiting for the reader.
    send: since the previous lease, having nothing to make while results were still on their way.
    idle: since the previous lease, having nothing to make while no lease was granted.
    """

    read: Seconds = 0.0
    decode: Seconds = 0.0
    transform: Seconds = 0.0
    wait: Seconds = 0.0
    pack: Seconds = 0.0
    send: Seconds = 0.0
    idle: Seconds = 0.0


class Data(Message, frozen=True, kw_only=True):
    """The header of a finished lease.

    arrays: the arrays that follow, (count·K, *shape) each, in one frame each.
    packed: how the frame of each array is compressed; empty: all are raw.
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
    """A task's parameters as bytes: equal parameters give equal bytes."""
    return msgspec.msgpack.encode(params, order="sorted")


def unfit(message: FromGenerator) -> str:
    """Why a trainer would not accept `message`, in words that name the field; ``""``: it would.

    Real data may exceed the limits of a message. Then a generator has to say so and end, since the
    trainer would answer with RESET for ever.
    """
    frame = encode(message)
    if len(frame) > MAX_CONTROL_BYTES:
        return (
            f"it takes {len(frame):,} bytes, and a trainer allows {MAX_CONTROL_BYTES:,} (names of "
            "classes, or weights and groups of records, are most of it)"
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
