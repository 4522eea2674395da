"""What the advisor says of figures that are known."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit.observe.advisor import Advice, Limit, Load, Work, advise, between
from pushfit.observe.steps import Steps

SECONDS = 100.0


def window(
    there: int, each: float, takes: float, *, sending: float = 0.0, reading: float = 0.0
) -> Load:
    """`there` generators that make `each` patches/s, and a model that takes `takes`.

    sending: share of their time that is the link's; reading: of the rest, the files'.
    """
    rate = min(there * each * (1 - sending), takes)
    spent = there * SECONDS
    work = rate / each
    idle = spent * (1 - sending) - work * SECONDS
    model = rate / takes * SECONDS
    host = Work(
        there, int(rate * SECONDS), int(rate * SECONDS * 1000),
        (1 - reading) * work * SECONDS, reading * work * SECONDS, sending * spent, max(0.0, idle),
    )  # fmt: skip
    return Load(
        SECONDS, int(rate * SECONDS), SECONDS - model, 1.0, {"cpu-a": host},
        waited=SECONDS - model, busy=model, stepped=int(rate * SECONDS), link="eth0",
    )  # fmt: skip


@given(st.integers(1, 200), st.floats(1, 1000), st.integers(1, 500))
def test_the_count_is_the_one_that_keeps_the_model_busy(
    there: int, each: float, needed: int
) -> None:
    takes = each * (needed - 0.5)
    advice = advise(window(there, each, takes))
    assert abs(advice.figures["generators_needed"] - needed) <= max(1, 0.25 * needed)
    if there < needed * 0.9:
        assert advice.limit is Limit.GENERATORS
        enough = window(int(advice.figures["generators_needed"]) + 1, each, takes)
        assert advise(enough).limit is Limit.MODEL
    if there > needed:
        assert advice.limit is Limit.MODEL


def test_the_sentences() -> None:
    few = advise(window(6, 820 / 6, 1390)).sentence
    assert few == (
        "The model waits 41% of the time. 6 generators deliver 820 patches/s; the model can take "
        "1,390: about 5 more generators on hosts like these."
    )
    slow = advise(window(6, 100, 200))
    assert slow.limit is Limit.MODEL
    assert slow.sentence.endswith("more generators will not help; 2 of the 6 would suffice.")
    link = advise(window(6, 100, 5000, sending=0.6))
    assert link.limit is Limit.NETWORK
    assert link.sentence.startswith("The network is the limit: 0.2 MB/s on eth0;")
    assert "A faster link or --compress auto helps" in link.sentence
    packed = msgspec.structs.replace(window(6, 100, 5000, sending=0.6), packs=True)
    assert "A faster link helps, more generators" in advise(packed).sentence
    disk = advise(window(6, 100, 5000, reading=0.8))
    assert disk.limit is Limit.READING
    assert disk.sentence.startswith(
        "Reading is the limit on cpu-a (generators there wait for files 80%"
    )
    nobody = advise(msgspec.structs.replace(window(1, 1, 9), hosts={}))
    assert "No generator works for this run now" in nobody.sentence


def test_one_slow_link_among_others_is_named_by_its_host() -> None:
    load = window(6, 100, 5000, sending=0.6)
    quick = Work(1, 100, 100, SECONDS, 0.0, 0.0, 0.0)
    load = msgspec.structs.replace(load, hosts={**load.hosts, "cpu-b": quick})
    assert "from cpu-a" in advise(load).sentence


def test_a_feed_that_never_waits_is_the_trainers_own_affair() -> None:
    load = msgspec.structs.replace(window(6, 100, 5000), starved=1.0, mixing=80.0)
    assert advise(load).limit is Limit.TRAINER
    sink = msgspec.structs.replace(load, trains=False, waited=0.0, busy=0.0, stepped=0)
    assert advise(sink).limit is Limit.TRAINER
    assert advise(sink).sentence.startswith("The sink itself is the limit")
    stores = msgspec.structs.replace(sink, storing=15.0)
    assert "take 80% of its time, storing 15%." in advise(stores).sentence


def test_a_stored_stream_needs_no_generators() -> None:
    def of(waited: float, starved: float) -> Advice:
        return advise(
            Load(
                SECONDS, 5_000, starved, 5.0, {}, waited=waited, busy=SECONDS - waited,
                stepped=5_000, stored=True,
            )
        )  # fmt: skip

    cases = {(2.0, 1.0): Limit.MODEL, (50.0, 1.0): Limit.TRAINER, (50.0, 45.0): Limit.READING}
    for seconds, limit in cases.items():
        advice = of(*seconds)
        assert advice.limit is limit
        assert "generator" not in advice.sentence and "disk" in advice.sentence


def test_generators_that_idle_while_the_feed_waits_are_held_by_the_buffer() -> None:
    load = window(6, 100, 5000)
    held = msgspec.structs.replace(load.hosts["cpu-a"], idle=6 * SECONDS)
    assert advise(msgspec.structs.replace(load, hosts={"a": held})).limit is Limit.BUFFER


@given(
    st.builds(
        Load,
        st.floats(0, 1e6), st.integers(0, 10**9), st.floats(0, 1e6), st.floats(0, 1e6),
        st.dictionaries(st.sampled_from("abcde"), st.builds(
            Work, st.integers(0, 1000), st.integers(0, 10**9), st.integers(0, 10**12),
            *[st.floats(0, 1e6)] * 4,
        )),
        st.floats(0, 1e6), st.floats(0, 1e6), st.integers(0, 10**9), st.booleans(),
    )
)  # fmt: skip
def test_there_is_advice_for_any_figures(load: Load) -> None:
    advice = advise(load)
    assert isinstance(advice, Advice)
    assert advice.sentence.endswith(".")
    assert all(math.isfinite(figure) for figure in advice.figures.values())
    nothing = between(load, load)
    assert (nothing.samples, nothing.starved, nothing.now) == (0, 0.0, 0.0)
    assert all(work.seconds == 0 for work in nothing.hosts.values())


# -- steps ------------------------------------------------------------------------------------


def run_steps(supply: float, step: float, batches: int, at_once: int = 1) -> Steps:
    """A model with steps of `step` seconds behind a prefetch of two batches, one every `supply`."""
    steps, ready, ends = Steps(), list[float](), list[float]()
    events = list[tuple[float, int, str]]()
    for n in range(batches):
        room = ends[n - 3] if n >= 3 else 0.0  # asked for when there is room for it
        asked = max(ready[-1] if ready else 0.0, room)
        ready.append(asked + supply)
        ends.append(max(ready[-1], ends[-1] if ends else 0.0) + step)
        events += [(asked, 2, "asked"), (ready[-1], 1, "handed")]
        if (n + 1) % at_once == 0:
            events.append((ends[-1], 3, "ended"))
    steps.begun(0.0)
    for now, _, what in sorted(events):
        if what == "asked":
            steps.asked("train", now)
        elif what == "handed":
            steps.handed("train", 8, now)
        else:
            steps.ended("train", at_once, now)
    return steps


@pytest.mark.parametrize("at_once", [1, 4])
@pytest.mark.parametrize(("supply", "step"), [(0.1, 0.04), (0.04, 0.1), (0.1, 0.09)])
def test_a_steps_time_is_found_whoever_waits(supply: float, step: float, at_once: int) -> None:
    steps = run_steps(supply, step, 80, at_once)
    assert steps.busy / steps.samples * 8 == pytest.approx(step, rel=0.1)
    waits = max(0.0, 1 - step / supply)
    assert steps.waited / (steps.busy + steps.waited) == pytest.approx(waits, abs=0.06)


def test_validation_and_what_lies_between_count_for_themselves() -> None:
    steps = Steps()
    for now, split in ((0.0, "train"), (100.0, "val"), (200.0, "train"), (300.0, "val")):
        steps.begun(now)
        for n in range(3):
            steps.asked(split, now + n)
            steps.handed(split, 2, now + n + 0.25)
            steps.ended(split, 1, now + n + 1)
    assert steps.samples == 2 * (12 - 2)  # the first step of a split compiles
    assert steps.busy == pytest.approx(7.5)
    assert steps.waited == pytest.approx(2.5)
