"""`pushfit.stream` in a script: the same stream as a sink's, by any way of reading it."""

from __future__ import annotations

import json
import logging
import random
import signal
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pushfit

ROOT = Path(__file__).parents[2]
BIND = "tcp://127.0.0.1:*"


def digits_stream(digits: Path, **more: Any) -> pushfit.BatchStream:
    options = {"batch_size": 16, "epochs": 3, "bind": BIND, "hash": True, "generators": 1}
    return pushfit.stream("digits", links=digits, **{**options, **more})


def rows(stream: pushfit.BatchStream, split: str = "train") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stream.report()["splits"][split]
    return found


@pytest.fixture(scope="module")
def sunk(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The audit of `sink_zmq.py --null` over the same stream."""
    report = tmp_path_factory.mktemp("sink") / "report.json"
    words = f"--null --task digits --links {digits} --batch-size 16 --epochs 3 --generators 1"
    command = [sys.executable, "sink_zmq.py", *words.split(), "--bind", BIND, "--report", report]
    subprocess.run([str(word) for word in command], cwd=ROOT, check=True, capture_output=True)
    splits: dict[str, Any] = json.loads(report.read_text())["splits"]
    return splits


@pytest.mark.slow
@pytest.mark.parametrize("generators", [1, 2, 4])
def test_the_stream_is_that_of_a_sink(digits: Path, sunk: dict[str, Any], generators: int) -> None:
    with digits_stream(digits, generators=generators) as stream:
        assert stream.address.startswith("tcp://127.0.0.1:")
        assert stream.classes == tuple("0123456789")
        assert [spec.name for spec in stream.arrays] == ["image", "label"]
        assert (stream.steps("train"), stream.steps("val")) == (13, 2)
        for epoch in stream:
            sizes = [len(batch["label"]) for batch in epoch["train"]]
            assert sizes == [16] * 12 + [15]
            assert sum(len(batch["image"]) for batch in epoch["val"]) == 23
        assert isinstance(stream.advice(), str)
    assert stream.report()["splits"] == sunk


# A process of its own: JAX, once imported, warns of every fork, and TensorFlow leaves threads.
READ = """
import json, sys
import numpy as np
import pushfit
name, links = sys.argv[1:]
options = {"batch_size": 16, "epochs": 3, "bind": "tcp://127.0.0.1:*", "hash": True}
again = []
with pushfit.stream("digits", links=links, generators=2, **options) as stream:
    read = getattr(stream, name)
    for _ in range(stream.epochs):
        for split in ("train", "val"):
            for number, batch in enumerate(read(split)):
                again.append({key: np.array(value) for key, value in batch.items()})
                assert stream.state_dict()["step"] == number + 1
splits = stream.report()["splits"]
with pushfit.stream("digits", links=links, generators=1, **options) as stream:
    for epoch in stream:
        for split in ("train", "val"):
            for batch in epoch[split]:
                other = again.pop(0)
                assert all((batch[key] == other[key]).all() for key in batch)
assert not again
print(json.dumps(splits))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["batches", "tf", "torch", "jax"])
def test_the_stream_is_the_same_through_every_adapter(
    digits: Path, sunk: dict[str, Any], name: str
) -> None:
    if name != "batches":
        framework = {"tf": "tensorflow"}.get(name, name)
        if find_spec(framework) is None:
            pytest.skip(f"{framework} is not installed")
    command = [sys.executable, "-c", READ, name, str(digits)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == sunk


def test_a_split_that_is_not_wanted_is_not_made(digits: Path) -> None:
    with digits_stream(digits, splits=("train",), epochs=1) as stream:
        assert stream.steps("val") == 0
        assert sum(len(batch["label"]) for batch in stream.batches()) == 207
    report = stream.report()
    assert list(report["splits"]) == ["train"]
    assert sum(row["patches"] for row in report["generators"]) == 207


def test_validation_every_third_epoch(digits: Path) -> None:
    with digits_stream(digits) as stream:
        for epoch in stream:
            assert len(list(epoch["train"])) == 13
            if epoch.number == 2:
                assert len(list(epoch["val"])) == 2
    assert [row["skipped"] for row in rows(stream, "val")] == [23, 23, 0]
    assert [row["missing"] for row in rows(stream, "val")] == [0, 0, 0]


@pytest.mark.parametrize("drop_last", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_position_continues_at_the_next_batch(digits: Path, drop_last: bool) -> None:
    about = {"drop_last": drop_last}
    with digits_stream(digits, **about) as stream:
        assert stream.steps("train") == 13 - drop_last
        whole = [b["image"].tobytes() for e in stream for s in ("train", "val") for b in e[s]]
    audit = stream.report()["splits"]
    assert [row["skipped"] for row in audit["train"]] == [15 * drop_last] * 3
    assert [row["missing"] for row in audit["train"]] == [0] * 3
    for stop in (3, 12, 13, 14, 15, len(whole)):
        seen: list[bytes] = []
        state = None
        with digits_stream(digits, **about) as stream:
            for epoch in stream:
                for split in ("train", "val"):
                    for batch in epoch[split] if len(seen) < stop else ():
                        seen.append(batch["image"].tobytes())
                        if len(seen) == stop:
                            state = json.loads(json.dumps(stream.state_dict()))
                            break
                if state:
                    break
        assert len(json.dumps(state)) < 8_000
        with digits_stream(digits, state=state, **about) as stream:
            if stop == len(whole):
                with pytest.raises(pushfit.StreamError, match="its 3 epochs have been read"):
                    next(iter(stream))
                continue
            rest = [b["image"].tobytes() for e in stream for s in ("train", "val") for b in e[s]]
        assert seen + rest == whole
        assert stream.report()["splits"] == audit


def test_load_state_dict_in_an_open_stream(digits: Path) -> None:
    with digits_stream(digits) as stream:
        loop = stream.batches()
        first = [next(loop)["image"].tobytes() for _ in range(4)]
        state = stream.state_dict()
        after = [next(loop)["image"].tobytes() for _ in range(4)]
        loop.close()
        stream.load_state_dict(state)
        again = stream.batches()
        assert [next(again)["image"].tobytes() for _ in range(4)] == after
        again.close()
    assert first[0] != after[0]


def test_a_state_of_another_run_is_refused(digits: Path) -> None:
    with digits_stream(digits) as stream:
        next(loop := stream.batches())
        loop.close()
        state = stream.state_dict()
    for more, said in (
        ({"batch_size": 32}, "the state is of a stream with batch_size = '16', and this call has"),
        ({"splits": ("train",)}, "the state is of a stream of all splits: give the same splits"),
        ({"state": {**state, "format": 9}}, "the state is of format 9, and this PushFit reads 1"),
        ({"state": {"epoch": 1}}, "the state is not what state_dict() of a stream returns"),
        ({"state": {**state, "fingerprint": "0"}}, "is not the one that the run was started with"),
    ):  # fmt: skip
        with pytest.raises(pushfit.PushFitError) as error:
            digits_stream(digits, **{"state": state, **more})
        assert said in str(error.value)


def test_two_streams_in_one_process_and_in_threads(digits: Path) -> None:
    hashes: list[list[str]] = []

    def read() -> None:
        with digits_stream(digits, epochs=2, splits=("train",)) as stream:
            for epoch in stream:
                list(epoch["train"])
        hashes.append([row["stream_sha256"] for row in rows(stream)])

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(hashes) == 2
    assert hashes[0] == hashes[1]


def test_nothing_global_is_changed(digits: Path) -> None:
    def facts() -> list[object]:
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        return [
            [signal.getsignal(number) for number in numbers],
            sys.getswitchinterval(),
            random.getstate(),
            np.random.get_state(legacy=True)[1].tobytes(),  # type: ignore[index, union-attr]
            list(logging.getLogger().handlers),
            logging.getLogger().level,
            list(logging.getLogger("pushfit").handlers),
        ]

    before = facts()
    with digits_stream(digits, epochs=1) as stream:
        list(stream.batches())
    assert facts() == before


def test_a_wait_that_is_interrupted_can_be_run_again(
    digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a cell of a notebook is, while its stream is open."""
    with digits_stream(digits) as stream:
        loop = stream.batches()
        first = [next(loop)["image"].tobytes() for _ in range(2)]
        feed = stream._inner.feed
        monkeypatch.setattr(feed, "_stream", _interrupted())
        with pytest.raises(KeyboardInterrupt):
            next(loop)
        rest = [batch["image"].tobytes() for batch in next(iter(stream))["train"]]
    with digits_stream(digits, epochs=1) as stream:
        whole = [batch["image"].tobytes() for batch in stream.batches()]
    assert first + rest == whole


def _interrupted() -> Any:
    raise KeyboardInterrupt
    yield


def test_an_array_is_the_loops_own_while_it_is_held(digits: Path) -> None:
    with digits_stream(digits, epochs=1) as stream:
        held = list(stream.batches())
        copies = [batch["image"].copy() for batch in held]
        list(stream.batches("val"))
        assert all((a["image"] == b).all() for a, b in zip(held, copies, strict=True))


# -- misuse ---------------------------------------------------------------------------------------


def test_nobody_makes_samples(digits: Path) -> None:
    with (
        digits_stream(digits, generators=0, timeout=0.3) as stream,
        pytest.raises(pushfit.StreamTimeout) as error,
    ):
        next(stream.batches())
    said = str(error.value)
    assert "the timeout of this stream is 0.3 s: no generator is connected. Start one with" in said
    assert "generate" in said


def test_after_the_end(digits: Path) -> None:
    stream = digits_stream(digits, epochs=1)
    with pytest.raises(pushfit.StreamError, match="the stream is not open: use it within `with p"):
        next(stream.batches())
    with pytest.raises(pushfit.StreamError, match="the stream was never open"):
        stream.report()
    with stream:
        list(stream.batches())
        with pytest.raises(pushfit.StreamError, match="the stream is over, its 1 epoch of train"):
            next(stream.batches())
        with pytest.raises(pushfit.StreamError, match="train of epoch 1 was passed already"):
            next(next(iter(stream))["train"])
    with pytest.raises(pushfit.StreamError, match="the stream was closed: make another"):
        next(stream.batches())
    with pytest.raises(pushfit.StreamError, match="the stream was closed: make another"):
        stream.open()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"bach_size": 3}, "'bach_size' is not a keyword of pushfit.stream(), did you mean 'batch"),
        (
            {"batch_size": 0},
            "batch_size in the call of pushfit.stream(): '0' is not valid, it ",
        ),
        ({"splits": "train"}, "splits is 'train': write a tuple of names"),
        ({"splits": ("trian",)}, "there is no split 'trian', did you mean 'train'?"),
        ({"timeout": 0}, "timeout is 0: give seconds, or None"),
        ({"state": "none.keras"}, "none.keras"),
        ({"bind": "tcp://0.0.0.0:*"}, "--keys"),
        ({"crop": 16}, "--crop works only with a stored stream"),
    ],
)
def test_wrong_calls(digits: Path, more: dict[str, Any], said: str) -> None:
    with pytest.raises(pushfit.ConfigError) as error:
        digits_stream(digits, **more)
    assert said in str(error.value)


def test_public_names() -> None:
    for name in pushfit.__all__:
        assert getattr(pushfit, name)
    assert set(pushfit.__all__) <= set(dir(pushfit))
    with pytest.raises(AttributeError, match="no attribute 'steam'"):
        pushfit.steam  # noqa: B018
