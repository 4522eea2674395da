"""The stream through a sink: the same bytes, each sample once, whatever happens to the fleet."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from bench.lab.processes import Script, Starter, free_port, until
from tests.support.own_tasks import GATED, write_task
from tests.support.photos import write_photos
from tests.support.reports import hashes, report_of

pytestmark = pytest.mark.slow

PER_VISIT = 4
FLAGS = ("--patch", 64, "--patches-per-visit", PER_VISIT, "--lease-bytes", "100KB", "--epochs", 2)


def test_the_stream_is_the_same_for_any_fleet(start: Starter, tmp_path: Path) -> None:
    links, streams = write_photos(tmp_path / "links", train=24), {}
    gated = write_task(tmp_path / "gated.py", GATED)
    photos = len(list((links / "train").glob("*/*")))
    for fleet in ("1", "2", "4", "one killed, one joins"):
        count, into = fleet.split()[0], tmp_path / f"{fleet}.json"
        churn = not count.isdecimal()
        task = ("--task", gated) if churn else ()
        flags = (*FLAGS, *task, "--report", into, "--generators", 0 if churn else count)
        sink = start.sink(links, *flags)
        if churn:
            words = (*task, "--log", "leases")
            doomed, helper = (start.generator(links, sink.port, *words) for _ in "12")
            doomed.wait_for(r"lease \d+: ")
            doomed.send(signal.SIGKILL)
            helper.wait_for(r"lease \d+: ")
            latecomer = start.generator(links, sink.port, *words)
            latecomer.wait_for(r"lease \d+: ")
            (links / "open").touch()
        sink.done()
        report = report_of(into)
        assert report["splits"]["train"][0]["expected"] == PER_VISIT * photos
        streams[fleet] = hashes(report)
        if churn:
            assert doomed.finish() == -signal.SIGKILL
            helper.done()
            latecomer.done()
            assert report["faults"]["generators_lost"] == 1
            assert len(report["generators"]) == 3
    assert len({tuple(each) for each in streams.values()}) == 1, streams
    assert start.no_orphans()


def test_another_seed_gives_another_stream(start: Starter, photos: Path, tmp_path: Path) -> None:
    sinks = [
        start.sink(
            photos,
            *("--patch", 32, "--epochs", 1, "--generators", 1),
            *("--seed", seed, "--report", tmp_path / f"{seed}.json"),
        )
        for seed in (1, 2)
    ]
    for sink in sinks:
        sink.done()
    assert hashes(report_of(tmp_path / "1.json")) != hashes(report_of(tmp_path / "2.json"))


def endless(start: Starter, photos: Path, port: int) -> Script:
    words = ("--patch", 32, "--epochs", 5000, "--lease-bytes", "100KB")
    return start.sink(photos, *words, "--bind", f"tcp://127.0.0.1:{port}")


def test_generators_outlive_their_trainer(start: Starter, photos: Path) -> None:
    port = free_port()
    generator = start.generator(photos, port)
    generator.wait_for("no answer from .* yet: waiting")
    for _ in range(2):
        sink = endless(start, photos, port)
        sink.wait_for("joined")
        begun = len(generator.lines)
        until(lambda n=begun: len(generator.lines) > n, 0.5)  # type: ignore[misc]
        sink.send(signal.SIGKILL)
        sink.finish()
    sink = endless(start, photos, port)
    sink.wait_for("joined")
    assert until(lambda: generator.output.count("found run") == 3)
    assert len(generator.lines) <= 8, generator.output  # one for each change, not one a second
    generator.send(signal.SIGINT)
    generator.done(130)
    sink.wait_for(r"is leaving|left \(")
    sink.send(signal.SIGINT)
    sink.done(130)


def test_a_trainer_without_data_learns_the_classes_from_the_first_generator(
    start: Starter, photos: Path, tmp_path: Path
) -> None:
    port, report = free_port(), tmp_path / "r.json"
    (photos / "train" / "alpha" / "notes.txt").write_text("no photo")
    early = start.generator(photos, port)
    early.wait_for("no answer")
    sink = start(
        *("sink_zmq.py", "--null", "--patch", 32, "--epochs", 400, "--lease-bytes", "100KB"),
        *("--bind", f"tcp://127.0.0.1:{port}", "--report", report),
    )
    sink.wait_for("classes come from the first generator. Start one with: ")
    sink.wait_for("joined")
    late = start.generator(photos, port)
    sink.done()
    early.done()
    late.done()
    found = report_of(report)
    assert found["classes"] == ["alpha", "beta"]
    assert found["data"] == {  # as the first generator has told it
        "records": {"train": 8, "val": 4},
        "validation": "the folder val_images",
        "unused": [{"count": 1, "first": "train/alpha/notes.txt", "reason": "not a picture"}],
    }
    assert "Not used  1 x not a picture (first: train/alpha/notes.txt)" in sink.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_generator_told_to_end_hands_back_what_it_holds(
    start: Starter, photos: Path, number: signal.Signals
) -> None:
    sink = endless(start, photos, 0)
    stays, leaves = (start.generator(photos, sink.port, "--log", "leases") for _ in "12")
    for each in (stays, leaves):
        each.wait_for(r"lease \d+: ")
    leaves.send(number)
    assert "told to end" in leaves.done(130, seconds=5.0)
    sink.wait_for("is leaving")
    assert "goes to another" not in sink.output  # handed back, not waited for
    sink.send(signal.SIGTERM)
    sink.done(130, seconds=5.0)
    stays.wait_for("the run was interrupted|left run .* closed")  # it waits for the next by either


def test_a_supervisor_starts_again_what_is_killed(start: Starter, photos: Path) -> None:
    sink = endless(start, photos, 0)
    supervisor = start.generator(photos, sink.port, "--processes", 2)
    assert until(lambda: sink.output.count("joined") == 2)
    first = supervisor.children()
    assert len(first) == 2
    first[0].kill()
    supervisor.wait_for(rf"generator {first[0].pid} ended \(SIGKILL\): starting another")
    assert until(lambda: sink.output.count("joined") == 3)
    supervisor.send(signal.SIGINT)
    supervisor.done(130, seconds=5.0)
    assert [process.pid for process in start.running()] == [sink.pid]
    sink.send(signal.SIGINT)
    sink.done(130, seconds=5.0)


def test_kill_9_takes_the_local_generators_along(start: Starter, photos: Path) -> None:
    words = ("--patch", 32, "--epochs", 5000, "--generators", 2)
    sink = start.sink(photos, *words)
    assert until(lambda: sink.output.count("joined") == 2)
    assert len(start.running()) == 4  # the sink, the supervisor, two generators
    sink.send(signal.SIGKILL)
    sink.finish()
    assert start.no_orphans()


def test_a_killed_supervisor_is_replaced(start: Starter, photos: Path) -> None:
    sink = start.sink(photos, "--patch", 32, "--epochs", 5000, "--generators", 1)
    sink.wait_for("joined")
    supervisor = next(p for p in sink.children() if "_supervise" in p.cmdline())
    supervisor.kill()
    sink.wait_for("the supervisor of the local generators ended: starting it again")
    assert until(lambda: sink.output.count("joined") == 2)
    assert len(start.running()) == 3
    sink.send(signal.SIGINT)
    sink.done(130, seconds=5.0)
    assert start.no_orphans()


def test_ctrl_c_while_waiting_for_generators(start: Starter, photos: Path) -> None:
    for links in (photos, photos / "nowhere"):
        given = ("--links", links) if links == photos else ()
        sink = start("sink_zmq.py", "--null", "--bind", "tcp://127.0.0.1:0", *given)
        sink.wait_for("listening at")
        sink.send(signal.SIGINT)
        sink.done(130, seconds=5.0)


def test_a_generator_is_light(start: Starter, cameras: Path) -> None:
    """Prints what issue 2 asks for; asserted is what does not depend on the machine's load."""
    sink = start.sink(cameras, "--patch", 64, "--epochs", 500, "--lease-bytes", "100KB")
    generator = start.generator(cameras, sink.port, "--log", "leases")
    generator.wait_for(r"lease \d+: ")
    seconds = next(at for at, line in generator.lines if "lease" in line)
    until(lambda: generator.output.count("lease ") > 30, 20.0)
    (process,) = (p for p in start.running() if p.pid == generator.pid)
    memory = process.memory_info().rss / 2**20
    mapped = {Path(each.path).name for each in process.memory_maps() if each.path}
    assert not [name for name in mapped if "tensorflow" in name or "jax" in name]
    largest = max(
        _pixels(path) for path in cameras.glob("*/*/*")
    ) * 3 / 2**20  # fmt: skip
    print(
        f"\ngenerator: first lease pushed after {seconds:.2f} s, {memory:.0f} MiB resident, "
        f"largest photo {largest:.0f} MiB"
    )
    assert memory < 150 + largest


def _pixels(path: Path) -> int:
    from PIL import Image

    with Image.open(path) as image:
        return image.width * image.height


def test_a_generator_imports_no_tensorflow(start: Starter) -> None:
    program = (
        "import sys; sys.argv = ['g', '--connect', 'tcp://127.0.0.1:1'];"
        "import pushfit.commands.generate, pushfit.generator.worker, pushfit.fleet.local;"
        "import pushfit.tasks.camera.task;"
        "print('heavy:', sorted({'tensorflow', 'keras', 'jax', 'torch'} & set(sys.modules)))"
    )
    assert "heavy: []" in start("-c", program).done()


def test_photos_by_another_name_order(tmp_path: Path) -> None:
    """The tiny data set itself is the same every time: hashes in failures can be compared."""
    one, two = write_photos(tmp_path / "a"), write_photos(tmp_path / "b")
    for path in one.rglob("*.jpg"):
        assert path.read_bytes() == (two / path.relative_to(one)).read_bytes()
