"""The images at work on test hosts: a fleet of containers, their health, their end, mistakes."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from bench.lab.hosts import Lab
from bench.lab.processes import until
from pushfit import __version__
from tests.containers.box import Box
from tests.containers.engine import megabytes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # the first one may build images

LISTEN = ("--bind", "tcp://0.0.0.0:12001")
SMALL = ("--model", "smallcnn", "--patch", 64, "--patches-per-visit", 4, "--batch-size", 16)
NOBODY = ("--network", "none")


def test_a_trainer_and_two_generators_on_three_hosts(
    images: tuple[str, str],
    lab: Lab,
    keys: Path,
    volume: tuple[str, Path],
    data: Path,
) -> None:
    generator, trainer = images
    size = megabytes(generator)
    print(f"generator: {size['image']:.0f} MB, {size['base']:.0f} of them the base")
    assert size["image"] < 250

    name, files = volume
    given = ("-v", f"{keys}:/pushfit/keys:ro", "-v", f"{name}:/pushfit/runs")
    train = ("train_zmq.py", *LISTEN, "--keys", "keys", *SMALL, "--epochs", 2, "--out", "runs/r")
    place = ("-v", f"{keys}/boxes.key:/run/secrets/boxes:ro", "-v", f"{data}:/data:ro")
    work = ("generator_zmq.py", "--connect", f"tcp://{lab['gpu'].address}:12001")
    work = (*work, "--key", "/run/secrets/boxes")
    # A person's name for it, or podman's own: a container all the same.
    with (
        Box(
            "--network", lab["cpu-a"].network, "--hostname", "cpu-a", *place, generator, *work
        ) as a,
        Box("--network", lab["cpu-b"].network, *place, generator, *work) as b,
    ):
        a.wait_for("no answer from tcp://10.*-p 12001:12001 -p 12002:12002")
        assert a.health() == (False, "no process has reached its peer yet; its log says why")
        with Box("--network", lab["gpu"].network, *given, trainer, *train) as box:
            for each in (a, b):
                each.wait_for("found run .* task camera")
                assert until(lambda each=each: each.health()[0], 10), each.health()
            assert until(lambda: box.health()[0], 10), box.health()
            said = box.done()
            assert "Every sample was handed to fit and trained on exactly once." in said
            assert "is lost when this container is removed" not in said
            assert [each.done() and 0 for each in (a, b)] == [0, 0]

    report = json.loads((files / "r" / "report.json").read_text())
    for row in (row for rows in report["splits"].values() for row in rows):
        assert (row["seen"], row["duplicate"], row["missing"], row["bad"]) == (
            *(row["expected"], 0, 0, 0),
        )
    rows = report["generators"]
    assert len(rows) == 2 and all(row["key"] == "boxes" for row in rows)
    assert "cpu-a" in {row["host"] for row in rows}
    assert (files / "r" / "best.keras").stat().st_uid == 10001


def test_told_to_end_they_leave_at_once(
    images: tuple[str, str], volume: tuple[str, Path], data: Path
) -> None:
    name, files = volume
    train = ("train_zmq.py", "--generators", 1, *SMALL, "--epochs", 1000, "--out", "runs/r")
    place = ("-v", f"{data}:/data:ro", "-v", f"{name}:/pushfit/runs", *NOBODY)
    with Box(*NOBODY, images[0]) as generator, Box(*place, images[1], *train) as trainer:
        generator.wait_for("127.0.0.1 is this container itself: .*--connect tcp://trainer:12001")
        generator.stop()
        generator.done(130, 5)
        trainer.wait_for("epoch 1/1000")
        started = time.monotonic()
        trainer.stop()
        trainer.done(130, 20)
        assert time.monotonic() - started < 15
    assert (files / "r" / "last.keras").is_file()


def test_mistakes(images: tuple[str, str], keys: Path, data: Path) -> None:
    """What is not mounted, not given or not published is named, with the option that helps."""
    generator, trainer = images
    root = ("--user", "4321:4321", *NOBODY)
    mistakes: list[tuple[tuple[object, ...], str]] = [
        (
            (*NOBODY, generator, "train_zmq.py", "--generators", 1),
            "keras is not installed .*this is the generator image. .*docker build --target trainer",
        ),
        ((*NOBODY, generator, "-m", "pushfit", "config"), "-v /path/to/your/train:/data/train:ro"),
        (
            (*NOBODY, trainer, "train_zmq.py", "--generators", 1),
            "nothing is mounted at /data/train",
        ),
        ((*NOBODY, trainer, "train_zmq.py", *LISTEN), "-v /path/to/your/keys:/pushfit/keys:ro"),
        (
            (*NOBODY, trainer, "train_zmq.py", *LISTEN, "--keys", "keys"),
            "there are no keys in keys .*-v /path/to/your/keys:/pushfit/keys:ro",
        ),
        (
            (*root, "-v", f"{keys}:/pushfit/keys:ro", trainer, "train_zmq.py", "--keys", "keys"),
            "keys belongs to another user .*--user 10001:10001 .*PUSHFIT_UID=10001",
        ),
        (
            (*root, "-v", f"{keys}/boxes.key:/k:ro", generator, "generator_zmq.py", "--key", "/k"),
            "the key file /k cannot be read: Permission denied.*--user 10001:10001",
        ),
        (
            (*NOBODY, "-v", f"{data}:/data:ro", trainer, "train_zmq.py", "--out", "o"),
            "cannot make the output folder o .*-v runs:/pushfit",
        ),
    ]
    for words, expected in mistakes:
        with Box(*words) as box:
            box.done(2)
            box.wait_for(expected)

    mounts = ("-v", f"{data}:/data:ro", "--tmpfs", "/pushfit/runs:mode=1777", *NOBODY)
    with Box(*mounts, trainer, "train_zmq.py", "--out", "runs/r") as alone:
        alone.wait_for(r"waiting for 1. s: .*--bind tcp://0.0.0.0:12001 .*-p 12002:12002")
    with Box(*mounts, "--hostname", "gpu-box", generator, "-m", "pushfit", "config") as box:
        assert "gpu-box (a container: its environment has container=" in box.done()
        box.wait_for("Links    /pushfit/dockerlinks")


def test_pushfit_is_a_command_in_each_image(images: tuple[str, str]) -> None:
    for image in images:
        with Box("--entrypoint", "pushfit", *NOBODY, image, "--version") as box:
            assert box.done() == f"pushfit {__version__}\n"
    with Box("--entrypoint", "pushfit", *NOBODY, images[0], "train", "--generators", 1) as box:
        assert "this is the generator image" in box.done(2)
