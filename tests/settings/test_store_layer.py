"""`--from`: a stored stream brings its settings; what made the samples cannot be changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pushfit.errors import ConfigError, DataError
from pushfit.host_facts import Machine
from pushfit.settings.programs.sink import SinkSettings
from pushfit.settings.programs.train import TrainSettings
from pushfit.settings.resolve import Resolved, resolve
from pushfit.store import layout
from tests.support.stored import a_store


def run(struct: Any, *argv: object, env: dict[str, str] | None = None) -> Resolved[Any]:
    words = [str(word) for word in argv]
    return resolve(struct, words, prog="x.py", environ=env or {}, machine=Machine("here"))


def train(*argv: object, env: dict[str, str] | None = None) -> Resolved[Any]:
    return run(TrainSettings, *argv, env=env)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """As a sink begins one."""
    folder = tmp_path / "store"
    folder.mkdir()
    flags = ("--patch", 48, "--batch-size", 20, "--seed", 5, "--epochs", 3, "--mix-visits", 9)
    resolved = run(SinkSettings, "--out", folder, *flags, "--links", "/far", "--buffer", "1GiB")
    (folder / "config.json").write_text(json.dumps(resolved.as_json()))
    layout.write(folder, a_store())
    return folder


def test_a_store_brings_what_shapes_its_stream_and_nothing_else(store: Path) -> None:
    from_store = train("--from", store)
    settings = from_store.settings
    assert (settings.task, settings.batch_size, settings.seed) == ("camera", 20, 5)
    assert (settings.mix_visits, settings.patches_per_visit) == (9, 16)
    assert from_store.texts()["patch"] == "48"
    assert str(from_store.sources["patch"]) == str(from_store.sources["seed"]) == f"store {store}"
    assert settings.epochs == 10 and not settings.hash  # the trainer's own
    assert settings.links != "/far" and settings.buffer == 0
    assert settings.from_ == str(store)


def test_it_wins_over_the_environment_and_not_over_flags(store: Path) -> None:
    env = {"PUSHFIT_BATCH_SIZE": "7", "PUSHFIT_PATCH": "99", "PUSHFIT_GENERATORS": "3"}
    assert train("--from", store, env=env).settings.batch_size == 20
    flags = ("--batch-size", 8, "--mix-visits", 0, "--seed", 6, "--epochs", 2, "--patch", 48)
    changed = train("--from", store, *flags).settings
    assert (changed.batch_size, changed.mix_visits, changed.seed, changed.epochs) == (8, 0, 6, 2)


def test_the_environment_may_name_it(store: Path) -> None:
    assert train(env={"PUSHFIT_FROM": str(store)}).settings.batch_size == 20


def test_a_relative_path_is_of_the_folder_it_was_typed_in(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(store.parent)
    both = train("--from", "store", "--val-from", "./store").settings
    assert (both.from_, both.val_from) == (str(store), str(store))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            "--patch 64",
            r"--patch 64 \(command line\): the samples in .*store were made with 48, .* Leave "
            r"--patch out, or store another stream",
        ),
        ("--task digits", r"--task digits \(command line\): .* made with camera"),
        ("--patches-per-visit 4", r"--patches-per-visit 4 .* made with 16"),
        ("--val-patches-per-visit 4", r"--val-patches-per-visit 4 .* made with 1,"),
        ("--patches-per-epoch 80", r"--patches-per-epoch 80 .* made with 0"),
        ("--balance", r"--balance yes .* made with no"),
        ("--no-shuffle", r"--shuffle no .* made with yes"),
        ("--manipulated 0.1", r"--manipulated 0.1 .* made with 0.5"),
        (
            "--generators 2",
            r"--generators has no effect with --from: .* Leave ",
        ),
        ("--bind tcp://0.0.0.0:1", "--bind has no effect"),
        ("--links /data", "--links has no effect"),
        ("--buffer 1GiB", "--buffer has no effect"),
        ("--order arrival", "--order has no effect"),
        ("--max-bad 1%", "--max-bad has no effect"),
    ],
)
def test_flags_that_do_not_go_with_it(store: Path, flags: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        train("--from", store, *flags.split())


def test_what_is_no_store(store: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere holds no stored stream, .* no store\.json"):
        train("--from", tmp_path / "nowhere")
    assert train("--val-from", store).settings.val_from == str(store)  # of a live run
    (store / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"settings of the stored stream in .*config\.json"):
        train("--from", store)
    (store / "config.json").unlink()
    with pytest.raises(ConfigError, match="Put back the file that the sink wrote, or store"):
        train("--from", store)


def test_a_run_that_is_resumed_finds_its_store_again(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    first = train("--from", store, "--val-from", store, "--out", out, "--batch-size", 8)
    (out / "config.json").write_text(json.dumps(first.as_json()))
    again = train("--resume", "--out", out)
    assert again.settings.from_ == again.settings.val_from == str(store)
    assert again.settings.batch_size == 8 and again.texts()["patch"] == "48"
    moved = store.rename(tmp_path / "moved")
    with pytest.raises(DataError, match="holds no stored stream"):
        train("--resume", "--out", out)
    there = train("--resume", "--out", out, "--from", moved, "--val-from", moved)
    assert there.settings.from_ == str(moved) and there.settings.batch_size == 8
