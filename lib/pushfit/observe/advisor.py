"""What limits a run, and what would change that, in one sentence. Pure: figures in, advice out.

`Load` has the trainer's counts since its start, and the difference of two of them (`between`) is
the window of time that `advise` judges. The time of a generator is divided into making (decode,
transform, compress), reading (it waits for a file), sending (there is nothing to make, and its
samples are still on their way) and idle (nothing to make or to send: no lease was granted).

    the model hardly waits                         ─▶ the model
    it waits, and the feed hardly waits            ─▶ the trainer itself: mixing, copying
    the feed waits, for files of a stored stream   ─▶ reading
    the feed waits, and there were no generators   ─▶ their absence
    the feed waits, and generators
        spend their time sending                   ─▶ the network
        are idle                                   ─▶ the buffer: leases are not granted
        wait for files                             ─▶ reading
        are busy                                   ─▶ the number of generators

The speed of the model follows from its steps, and that of a generator from the time that it is at
work. The number of delivered samples would not show either, since back-pressure throttles it.
"""

from __future__ import annotations

import math
from enum import Enum

import msgspec

from pushfit.text import one_line

NO_MATTER = 0.05  # share of the time for which the model may wait without any advice
BLOCKED = 0.15  # share of a generator's time for sending or reading above which that is the limit
IDLE = 0.3  # share of a generator's idle time above which that is the limit: pauses are usual
STARVED = 0.2  # least share of the model's wait that the fleet causes if the fleet is the limit
ABSENT = 0.5  # least share of that without generators at work, if their absence is the limit
ENOUGH_SECONDS = 2.0  # a shorter window is not judged


class Limit(Enum):
    """What limits a run."""

    UNKNOWN = "unknown"
    MODEL = "model"
    TRAINER = "trainer"
    NETWORK = "network"
    BUFFER = "buffer"
    READING = "reading"
    GENERATORS = "generators"


class Work(msgspec.Struct, frozen=True):
    """The work of a host's generators: seconds summed over them, by the kinds of time above."""

    generators: int = 0  # at work at the end of the window
    patches: int = 0
    sent: int = 0  # bytes on the network
    making: float = 0.0
    reading: float = 0.0
    sending: float = 0.0
    idle: float = 0.0

    @property
    def seconds(self) -> float:
        return self.making + self.reading + self.sending + self.idle

    def share(self, seconds: float) -> float:
        return seconds / self.seconds if self.seconds > 0 else 0.0


class Load(msgspec.Struct, frozen=True):
    """The counts of a trainer or a sink. Times are in seconds; a sink has no steps."""

    now: float
    samples: int  # samples that the feed handed on
    starved: float  # time for which the feed waited for the fleet
    mixing: float  # time for which the feed made batches: mixing, copying, hashing
    hosts: dict[str, Work]
    waited: float = 0.0  # time for which the model waited for a batch
    busy: float = 0.0  # time of the model's steps
    stepped: int = 0  # samples of those steps
    storing: float = 0.0  # time for which a sink wrote
    trains: bool = True  # there is a model
    link: str = ""  # the network interface at which samples arrive; "": not known
    link_bytes: float = 0.0  # bytes/s of that interface; 0: not known
    packs: bool = False  # samples may be compressed already
    stored: bool = False  # samples are read from files, without a fleet
    absent: float = 0.0  # time without any generator at work


class Advice(msgspec.Struct, frozen=True):
    """The limit, a sentence about it, and the figures that it is based on."""

    limit: Limit
    sentence: str
    figures: dict[str, float] = {}


def between(before: Load, after: Load) -> Load:
    """The counts from `before` to `after`; `now` is the length of that window."""
    none = Work()
    hosts = {
        name: Work(
            work.generators,
            *(max(0, mine - theirs) for mine, theirs in zip(
                msgspec.structs.astuple(work)[1:],
                msgspec.structs.astuple(before.hosts.get(name, none))[1:], strict=True,
            )),
        )
        for name, work in after.hosts.items()
    }  # fmt: skip
    return msgspec.structs.replace(
        after,
        now=after.now - before.now,
        samples=after.samples - before.samples,
        starved=after.starved - before.starved,
        mixing=after.mixing - before.mixing,
        storing=after.storing - before.storing,
        hosts=hosts,
        waited=after.waited - before.waited,
        busy=after.busy - before.busy,
        stepped=after.stepped - before.stepped,
        absent=after.absent - before.absent,
    )


class _View:
    """The rates and shares of a window."""

    def __init__(self, load: Load) -> None:
        self.load = load
        works = list(load.hosts.values())
        columns = zip(*map(msgspec.structs.astuple, works), strict=True)
        self.all = Work(*map(sum, columns)) if works else Work()
        self.delivered = load.samples / load.now if load.now > 0 else 0.0
        spent = load.waited + load.busy
        self.model_waits = load.waited / spent if spent > 0 else 1.0 if not load.trains else 0.0
        self.starved = min(1.0, load.starved / load.now) if load.now > 0 else 0.0
        self.takes = load.stepped / load.busy if load.busy > 0 else math.inf
        self.each = _each(self.all, self.delivered)  # patches/s of one generator at work

    @property
    def needed(self) -> int:
        """The number of such generators that would keep the model busy; 0: not known."""
        if not self.each or math.isinf(self.takes):
            return 0
        return math.ceil(self.takes / self.each - 0.05)

    def figures(self) -> dict[str, float]:
        load, work = self.load, self.all
        figures = {
            "generators": float(work.generators),
            "delivered_per_second": round(self.delivered, 1),
            "generator_makes_per_second": round(self.each, 1),
            "fleet_wait_share": round(self.starved, 4),
            "mixing_share": round(load.mixing / load.now, 4),
            "bytes_per_second": round(work.sent / load.now, 1),
        }
        for name in ("making", "reading", "sending", "idle"):
            figures[f"{name}_share"] = round(work.share(getattr(work, name)), 4)
        if not math.isinf(self.takes):
            figures["model_takes_per_second"] = round(self.takes, 1)
            figures["model_wait_share"] = round(self.model_waits, 4)
            figures["generators_needed"] = float(self.needed)
        return figures


def _each(work: Work, delivered: float) -> float:
    if work.making + work.reading > 0:
        return work.patches / (work.making + work.reading)
    return delivered / work.generators if work.generators else 0.0


def advise(load: Load) -> Advice:
    """The advice for the window `load` (see `between`)."""
    if load.now < ENOUGH_SECONDS or not load.samples or (load.trains and load.busy <= 0):
        return Advice(Limit.UNKNOWN, "The time was too short to tell what the limit is.")
    view = _View(load)
    figures = view.figures()
    if load.trains and view.model_waits < NO_MATTER:
        return Advice(Limit.MODEL, _model(view), figures)
    if view.starved < STARVED * view.model_waits:
        return Advice(Limit.TRAINER, _trainer(view), figures)
    if load.stored:
        return Advice(Limit.READING, _store(view), figures)
    work = view.all
    if work.generators and load.absent > ABSENT * load.starved:
        return Advice(Limit.GENERATORS, _absent(view), figures)
    if not work.generators:
        sentence = "No generator works for this run now: start some with the address above."
        return Advice(Limit.GENERATORS, f"{_waits(view)} {sentence}", figures)
    if work.share(work.sending) > BLOCKED and work.sending >= work.idle:
        return Advice(Limit.NETWORK, _network(view), figures)
    if work.share(work.idle) > IDLE:
        return Advice(Limit.BUFFER, _buffer(view), figures)
    if work.reading > work.making:
        return Advice(Limit.READING, _reading(view), figures)
    return Advice(Limit.GENERATORS, _generators(view), figures)


# -- in words ---------------------------------------------------------------------------------


def _count(number: int) -> str:
    return f"{number:,} generator{'' if number == 1 else 's'}"


def _waits(view: _View) -> str:
    who, share = ("model", view.model_waits) if view.load.trains else ("sink", view.starved)
    return f"The {who} waits {share:.0%} of the time."


def _more(view: _View) -> str:
    if not view.needed:  # a sink takes everything
        return "more generators will deliver more"
    more = max(1, view.needed - view.all.generators)
    takes = f"the model can take {view.takes:,.0f}"
    return f"{takes}: about {more:,} more generator{'' if more == 1 else 's'} on hosts like these"


def _generators(view: _View) -> str:
    there = view.all.generators
    verb = "delivers" if there == 1 else "deliver"
    return f"{_waits(view)} {_count(there)} {verb} {view.delivered:,.0f} patches/s; {_more(view)}."


def _absent(view: _View) -> str:
    load = view.load
    return (
        f"{_waits(view)} For {min(load.absent, load.now):,.0f} of the last {load.now:,.0f} seconds "
        f"no generator was at work; {_count(view.all.generators)} "
        f"{'is' if view.all.generators == 1 else 'are'} now."
    )


def _model(view: _View) -> str:
    there, needed = view.all.generators, view.needed
    if view.load.stored:
        return (
            f"The model is the limit, at {view.delivered:,.0f} patches/s (it waits "
            f"{view.model_waits:.0%} of the time): a faster disk will not help."
        )
    spare = f"; {needed:,} of the {there:,} would suffice" if 0 < needed < there else ""
    return (
        f"The model is the limit, at {view.delivered:,.0f} patches/s (it waits "
        f"{view.model_waits:.0%} of the time): more generators will not help{spare}."
    )


def _trainer(view: _View) -> str:
    load = view.load
    mixing = load.mixing / load.now
    if not load.trains:
        storing = f", storing {load.storing / load.now:.0%}" if load.storing else ""
        return (
            f"The sink itself is the limit, at {view.delivered:,.0f} patches/s: mixing, copying "
            f"and hashing take {mixing:.0%} of its time{storing}. More generators will not help."
        )
    other = "a faster disk" if load.stored else "more generators"
    return (
        f"The trainer itself is the limit: the model waits {view.model_waits:.0%} of the time and "
        f"the feed {view.starved:.0%}; mixing and hashing take {mixing:.0%}, the rest is handing "
        f"batches to Keras. A larger --batch-size or a faster CPU on this host helps, {other} "
        "will not."
    )


def _network(view: _View) -> str:
    load = view.load
    held = {name: work for name, work in load.hosts.items() if work.share(work.sending) > BLOCKED}
    rate = sum(work.sent for work in held.values()) / load.now / 1e6
    worst = max(held.values(), key=lambda work: work.sending, default=view.all)
    some = len(held) < len(load.hosts)
    where = f"from {_names(list(held))}" if some else f"on {load.link or 'the link to here'}"
    made = f", made for {load.link_bytes / 1e6:,.0f}" if load.link_bytes and not some else ""
    helps = "A faster link helps" if load.packs else "A faster link or --compress auto helps"
    return (
        f"The network is the limit: {rate:,.1f} MB/s {where}{made}; generators there wait "
        f"{worst.share(worst.sending):.0%} of the time for it. {helps}, more generators behind it "
        "will not."
    )


def _buffer(view: _View) -> str:
    return (
        f"{_waits(view)} The generators have nothing to do {view.all.share(view.all.idle):.0%} of "
        "theirs: all leases that --buffer has room for are under way, some with slow generators. "
        "A larger --buffer helps, or leaving the slow ones out."
    )


def _reading(view: _View) -> str:
    hosts = view.load.hosts
    slow = [name for name, work in hosts.items() if work.reading > work.making]
    worst = max((hosts[name] for name in slow), key=lambda work: work.reading, default=view.all)
    return (
        f"Reading is the limit on {_names(slow)} (generators there wait for files "
        f"{worst.share(worst.reading):.0%} of the time): faster storage helps. {_waits(view)} "
        f"{_count(view.all.generators)} at {view.delivered:,.0f} patches/s; {_more(view)}."
    )


def _store(view: _View) -> str:
    return (
        f"Reading is the limit: the model waits {view.model_waits:.0%} of the time, for the files "
        f"of the stored stream, at {view.delivered:,.0f} patches/s. A faster disk helps, or "
        "memory that holds them all; where they are packed, another --hdf5-filter when storing."
    )


def _names(hosts: list[str]) -> str:
    shown = ", ".join(map(one_line, sorted(hosts)[:3]))
    return shown + (f" and {len(hosts) - 3:,} more hosts" if len(hosts) > 3 else "")
