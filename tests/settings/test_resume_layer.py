"""`--resume`: the run's own settings come back, and what is about this start does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pushfit.errors import ConfigError
from pushfit.host_facts import Machine
from pushfit.runs import resume
from pushfit.settings.interval import Interval, parse
from pushfit.settings.programs.train import TrainSettings
from pushfit.settings.resolve import Resolved, resolve
from pushfit.settings.site import Host
from pushfit.tasks import compatibility
from pushfit.tasks.camera.task import CameraTask

HOSTS = (Host("far-*", {"links": "/far/links", "batch_size": 64}), Host("*", {"links": "/near"}))


def run(*argv: object, env: dict[str, str] | None = None, host: str = "near-1") -> Resolved[Any]:
    return resolve(
        TrainSettings,
        [str(word) for word in argv],
        prog="train_zmq.py",
        environ=env or {},
        machine=Machine(host),
        table=HOSTS,
    )


def begun(out: Path, *argv: object, **options: Any) -> Path:
    out.mkdir(exist_ok=True)
    resolved = run("--out", out, *argv, **options)
    (out / "config.json").write_text(json.dumps(resolved.as_json()))
    return out


def test_a_run_goes_on_with_its_own_settings_and_this_hosts(tmp_path: Path) -> None:
    flags = ("--patch", 64, "--epochs", 7, "--manipulations", "jpeg70,gamma0.8")
    out = begun(tmp_path / "run", *flags, env={"PUSHFIT_SEED": "5"}, host="far-1")
    again = run("--resume", "--out", out)
    assert (again.settings.seed, again.settings.epochs, again.settings.batch_size) == (5, 7, 64)
    assert again.params is not None
    assert again.texts()["patch"] == "64"
    assert again.texts()["manipulations"] == "jpeg70,gamma0.8"
    assert again.settings.links == "/near"  # nobody had named the other host's
    assert not again.given("links")
    assert str(again.sources["seed"]) == "run before, environment PUSHFIT_SEED"
    assert str(again.sources["batch_size"]) == "run before, host far-*"
    assert again.given("seed") and not again.given("batch_size")

    # And a third time: as often as one likes.
    (out / "config.json").write_text(json.dumps(again.as_json()))
    third = run("--resume", "--out", out, "--epochs", 9)
    assert str(third.sources["seed"]) == "run before, environment PUSHFIT_SEED"
    assert third.settings.epochs == 9


def test_what_was_named_before_wins_over_the_environment_and_not_over_flags(tmp_path: Path) -> None:
    out = begun(tmp_path / "run", "--links", tmp_path, "--bind", "tcp://127.0.0.1:7")
    again = run("--resume", "--out", out, env={"PUSHFIT_SEED": "9"})
    assert again.settings.links == str(tmp_path)
    assert again.given("links")
    assert again.settings.seed == 0
    assert again.settings.bind == "tcp://127.0.0.1:7"
    flagged = run("--resume", "--out", out, "--bind", "tcp://127.0.0.1:8", "--seed", 3)
    assert (flagged.settings.bind, flagged.settings.seed) == ("tcp://127.0.0.1:8", 3)


def test_without_resume_and_without_a_run_nothing_comes_back(tmp_path: Path) -> None:
    out = begun(tmp_path / "run", "--seed", 5)
    assert run("--out", out).settings.seed == 0
    assert run("--resume", "--out", tmp_path / "other").settings.seed == 0
    with pytest.raises(ConfigError, match=r"--resume needs the folder .* give --out"):
        run("--resume")


def test_settings_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"settings": {"seed": 5}}')
    with pytest.raises(ConfigError, match=r"cannot read the settings of the run .*config\.json"):
        run("--resume", "--out", tmp_path)
    (tmp_path / "config.json").write_text(
        '{"settings": {"seed": {"value": -1, "source": "default"}}}'
    )
    with pytest.raises(ConfigError, match=r"seed in the config\.json of the run before"):
        run("--resume", "--out", tmp_path)
    (tmp_path / "config.json").write_text('{"settings": {"seed": {"value": 1, "source": "x"}}}')
    with pytest.raises(ConfigError, match="'x' is not where a setting comes from"):
        run("--resume", "--out", tmp_path)


def test_a_setting_that_is_new_since_a_run_began_has_its_default_there(tmp_path: Path) -> None:
    out = begun(tmp_path / "run", "--seed", 5)
    old = json.loads((out / "config.json").read_text())
    shaped = ("balance", "patch")  # of the program, and of the task
    for name in (*shaped, "epochs"):
        del old["settings"][name]
    (out / "config.json").write_text(json.dumps(old))
    env = {"PUSHFIT_BALANCE": "yes", "PUSHFIT_PATCH": "64", "PUSHFIT_EPOCHS": "3"}
    again = run("--resume", "--out", out, env=env)
    assert (again.settings.seed, again.settings.balance, again.texts()["patch"]) == (
        5,
        False,
        "224",
    )
    assert str(again.sources["balance"]) == "run before, default"
    assert again.settings.epochs == 3  # it may change, so this host's word counts

    kept = again.fixed()
    checkpoint = {name: text for name, text in kept.items() if name not in shaped}
    source, defaults = compatibility.source_of(CameraTask), again.defaults()
    resume.compare(checkpoint, source, kept, defaults, out)
    with pytest.raises(ConfigError, match=r"--patch was 224 in the run .* and would now be 64"):
        resume.compare(checkpoint, source, {**kept, "patch": "64"}, defaults, out)


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("", Interval()),
        ("500", Interval(batches=500)),
        ("10min", Interval(seconds=600)),
        (" 1 minute ", Interval(seconds=60)),
        ("0.5 min", Interval(seconds=30)),
    ],
)
def test_intervals(text: str, interval: Interval) -> None:
    assert parse(text) == interval


@pytest.mark.parametrize("text", ["0", "-5", "ten", "10 h", "1.5", "min", "5 batches", "0min"])
def test_what_is_no_interval(text: str) -> None:
    with pytest.raises(ConfigError, match="batches like 500, or minutes like 10min"):
        run("--checkpoint-every", text)


def test_when_an_interval_is_over() -> None:
    assert not Interval().due(10**9, 1e9)
    assert Interval(batches=5).due(5, 0) and not Interval(batches=5).due(4, 1e9)
    assert Interval(seconds=60).due(0, 60) and not Interval(seconds=60).due(10**9, 59)


def test_no_checkpoints_within_an_epoch_in_order_of_arrival() -> None:
    with pytest.raises(ConfigError, match="needs --order exact"):
        run("--checkpoint-every", 5, "--order", "arrival")
