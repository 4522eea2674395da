"""Layers: which wins, what is refused, what is remembered."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta

from bench.lab.processes import ROOT
from pushfit import tasks
from pushfit.errors import ConfigError
from pushfit.host_facts import Machine
from pushfit.settings.origin import COMMAND_LINE
from pushfit.settings.programs import PROGRAMS
from pushfit.settings.programs.generator import GeneratorSettings
from pushfit.settings.programs.serve import ServeSettings
from pushfit.settings.programs.sink import SinkSettings
from pushfit.settings.programs.train import TrainSettings
from pushfit.settings.resolve import Resolved, resolve
from pushfit.settings.site import DEFAULT_HOSTS, Host

PC, BOX = Machine("desk-1"), Machine("0123456789ab", "its name is 12 hexadecimal digits")


class FakeParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    patch: Annotated[int, Meta(ge=8, description="Side of a patch.")] = 224
    kinds: tuple[Literal["one", "two"], ...] = ("two", "one")
    classes: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    flips: bool = False

    def __post_init__(self) -> None:
        if self.weights and not sum(self.weights):
            raise ConfigError("weights: all are 0")


class FakeTask:
    Params = FakeParams

    def __init__(self, name: str) -> None:
        self.name = name


def load(name: str) -> FakeTask:
    if name not in (*tasks.TASKS, "fake"):
        raise ConfigError(f"task: there is no {name!r}")
    return FakeTask(name)


def run(
    *argv: str,
    struct: type[Any] = TrainSettings,
    env: Mapping[str, str] | None = None,
    row: Mapping[str, object] | None = None,
    table: tuple[Host, ...] = DEFAULT_HOSTS,
    machine: Machine = PC,
) -> Resolved[Any]:
    return resolve(
        struct,
        argv,
        prog="train_zmq.py",
        environ=env or {},
        machine=machine,
        table=table,
        load=load,
        row_of=lambda *_: row or {},
    )


def refusal(*argv: str, **layers: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        run(*argv, **layers)
    return str(caught.value)


def hosts_with(**values: object) -> tuple[Host, ...]:
    return (Host("desk-*", values), *DEFAULT_HOSTS)


def test_each_layer_beats_the_one_before() -> None:
    layers: dict[str, Any] = {}
    seen = [(run(**layers).settings.epochs, str(run(**layers).sources["epochs"]))]
    for name, value in [
        ("row", {"epochs": 11}),
        ("table", hosts_with(epochs=12)),
        ("env", {"PUSHFIT_EPOCHS": "13"}),
    ]:
        layers[name] = value
        seen.append((run(**layers).settings.epochs, str(run(**layers).sources["epochs"])))
    last = run("--epochs", "14", **layers)
    assert [*seen, (last.settings.epochs, str(last.sources["epochs"]))] == [
        (10, "default"),
        (11, "task camera"),
        (12, "host desk-*"),
        (13, "environment PUSHFIT_EPOCHS"),
        (14, "command line"),
    ]


def test_the_task_itself_can_come_from_any_layer_above_the_default() -> None:
    assert run(table=hosts_with(task="fake")).settings.task == "fake"
    env = {"PUSHFIT_TASK": "camera"}
    assert run(table=hosts_with(task="fake"), env=env).settings.task == "camera"
    assert str(run("--task=fake", env=env).sources["task"]) == "command line"
    assert str(run("--task=fake", row={"epochs": 3}).sources["epochs"]) == "task fake"


def test_a_container_gets_dockerlinks_and_any_other_host_nvmelinks() -> None:
    box, pc = run(machine=BOX), run(machine=PC)
    assert (box.settings.links, box.host_row) == (str(ROOT / "dockerlinks"), "container")
    assert (pc.settings.links, pc.host_row) == (str(ROOT / "nvmelinks"), "*")
    assert str(box.sources["links"]) == "host container"


def test_the_first_matching_row_wins_and_later_ones_fill_in() -> None:
    outcome = run(table=(Host("DESK-?", {"seed": 7}), Host("de*", {"seed": 8, "epochs": 2}),
                         *DEFAULT_HOSTS))  # fmt: skip
    assert (outcome.settings.seed, outcome.settings.epochs) == (7, 2)
    assert outcome.settings.links == str(ROOT / "nvmelinks")
    assert outcome.host_row == "DESK-?"


def test_a_generator_takes_its_trainer_from_the_row_of_its_host() -> None:
    table = hosts_with(connect="tcp://gpu:1", links="/scratch")
    outcome = run(struct=GeneratorSettings, table=table)
    assert outcome.settings.connect == ("tcp://gpu:1",)
    assert outcome.params is None


@pytest.mark.parametrize("value", ["tcp://a:1, tcp://b:2", ("tcp://a:1", "tcp://b:2")])
def test_a_fleet_takes_several_trainers_from_its_row_or_the_environment(value: object) -> None:
    where: dict[str, Any] = {"table": hosts_with(connect=value)}
    if isinstance(value, str):
        where = {"env": {"PUSHFIT_CONNECT": value, "PUSHFIT_KEY": "a.key,none"}}
    found = run(struct=GeneratorSettings, **where).settings
    assert found.connect == ("tcp://a:1", "tcp://b:2")
    assert found.keys == (("a.key", "") if "env" in where else ("", ""))


def test_one_key_serves_all_trainers_of_a_folder_of_keys() -> None:
    found = run("--connect=tcp://a:1,tcp://b:2", "--key=k", struct=GeneratorSettings).settings
    assert found.keys == ("k", "k")
    assert GeneratorSettings(key=("k",)).keys == ("k",)


def test_relative_links_start_where_they_were_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("--links", "mine").settings.links == str(tmp_path / "mine")
    assert run("--links", "./dockerlinks/").settings.links == str(ROOT / "dockerlinks")
    assert run(env={"PUSHFIT_LINKS": "../x"}).settings.links == str(tmp_path.parent / "x")
    assert run(table=hosts_with(links="other")).settings.links == str(ROOT / "other")
    assert run("--links", "~/x").settings.links == str(Path("~/x").expanduser())


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ({"row": {"epoch": 1}}, "'epoch' in cfg/camera.py is not a setting, did you mean 'epochs'"),
        ({"row": {"task": "fake"}}, "'task' in cfg/camera.py"),
        (
            {"table": hosts_with(conect="x")},
            "'conect' in the row 'desk-*' of HOSTS in cfg/base.py is not a setting, "
            "did you mean 'connect'",
        ),
        ({"env": {"PUSHFIT_EPOCH": "1"}}, "PUSHFIT_EPOCH in the environment is not a setting, "
         "did you mean 'PUSHFIT_EPOCHS'"),
        ({"env": {"PUSHFIT_epochs": "1"}}, "did you mean 'PUSHFIT_EPOCHS'"),
        ({"row": {"epochs": 0}}, "epochs in cfg/camera.py: '0' is not valid"),
        ({"table": hosts_with(order="fast")}, "order in the row 'desk-*'"),
        ({"env": {"PUSHFIT_SEED": "x"}}, "PUSHFIT_SEED in the environment: 'x' is not valid"),
        ({"table": (Host("other", {}),)}, "no row of HOSTS"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_layer_is_refused_by_name(layers: dict[str, Any], says: str) -> None:
    assert says in refusal(**layers)


def test_another_programs_settings_are_passed_over() -> None:
    env = {"PUSHFIT_CONNECT": "tcp://gpu:1", "PUSHFIT_NULL": "1", "HOME": "/", "PUSHFIT_PATCH": "8"}
    row, table = {"dense1": 4, "null": True}, hosts_with(processes=3)
    for struct in PROGRAMS.values():
        outcome = run(struct=struct, env=env, row=row, table=table)
        assert outcome.params is None or outcome.params.patch == 8  # type: ignore[attr-defined]


def test_a_child_leaves_the_check_of_names_to_its_parent() -> None:
    env = {"PUSHFIT_ODD": "1"}
    assert "PUSHFIT_ODD" in refusal(struct=GeneratorSettings, env=env)
    run(struct=GeneratorSettings, env=env | {"PUSHFIT_PARENT": "1"})


def test_parameters_of_the_task_are_settings_too() -> None:
    outcome = run("--patch=64", "--flips", "--kinds=one", row={"classes": ["b", "a"]})
    assert outcome.params == FakeParams(patch=64, flips=True, kinds=("one",), classes=("b", "a"))
    assert str(outcome.sources["classes"]) == "task camera"
    assert "camera_weights" in outcome.sources  # `weights` is the model's


def test_what_a_task_refuses_is_told_with_its_name() -> None:
    assert refusal("--camera-weights=0,0") == "task camera: weights: all are 0"


def test_a_parameter_without_a_default_must_be_given() -> None:
    class Strict(msgspec.Struct, frozen=True, kw_only=True):
        size: int

    class Task:
        name, Params = "strict", Strict

    def ask(*argv: str) -> Any:
        return resolve(
            SinkSettings,
            argv,
            prog="x",
            environ={},
            machine=PC,
            load=lambda _: Task,
            row_of=lambda *_: {},
        ).params

    assert ask("--size=3") == Strict(size=3)
    with pytest.raises(ConfigError, match="--size must be given"):
        ask()


def test_json_gives_every_value_and_its_source() -> None:
    told = json.loads(json.dumps(run("--patch=64", "--buffer=2GiB").as_json()))
    assert told["host"] == {"name": "desk-1", "row": "*"}
    assert told["settings"]["patch"] == {"value": 64, "source": "command line"}
    assert told["settings"]["buffer"] == {"value": 2**31, "source": "command line"}
    assert told["settings"]["kinds"] == {"value": ["two", "one"], "source": "default"}


def test_a_sink_hashes_and_a_trainer_does_not_unless_told() -> None:
    assert run(struct=SinkSettings).settings.hash is True
    assert run().settings.hash is False


numbers = st.floats(min_value=1e-9, max_value=1e9, allow_nan=False)
# argparse of Python 3.11 drops a value that is "--", even from "--flag=--".
words = st.text("abc-_.é %=", min_size=1).filter(lambda w: w == w.strip() and w != "--")


@settings(max_examples=40)
@given(
    chosen=st.fixed_dictionaries(
        {},
        optional={
            "seed": st.integers(0, 2**32 - 1),
            "buffer": st.integers(0, 2**50),
            "expiry": numbers,
            "learning_rate": numbers,
            "dropout": st.floats(0, math.nextafter(1, 0)),
            "order": st.sampled_from(["exact", "arrival"]),
            "balance": st.booleans(),
            "tensorboard": st.booleans(),
            "out": st.text(st.characters(exclude_categories=["Cs"])).filter(lambda w: w != "--"),
            "bind": st.sampled_from(["tcp://*:0", "tcp://[::1]:9"]),
        },
    ),
    params=st.builds(
        FakeParams,
        patch=st.integers(8, 10**6),
        flips=st.booleans(),
        classes=st.lists(words, max_size=3).map(tuple),
        weights=st.lists(numbers, max_size=3).map(tuple),
        kinds=st.lists(st.sampled_from(["one", "two"]), max_size=2).map(tuple),
    ),
)
def test_settings_survive_their_command_line(chosen: dict[str, Any], params: FakeParams) -> None:
    wanted = TrainSettings(**chosen, links=str(ROOT / "nvmelinks"))
    drawn = msgspec.structs.replace(run(), settings=wanted, params=params)
    again = run(*drawn.argv(), env={"PUSHFIT_SEED": "5"})
    assert (again.settings, again.params) == (wanted, params)
    assert set(again.sources.values()) == {COMMAND_LINE}


@pytest.mark.parametrize(
    ("env", "flags", "port", "source"),
    [
        ({}, (), 8000, "default"),
        ({"PORT": "5000"}, (), 5000, "environment PORT"),
        ({"PORT": "5000", "PUSHFIT_PORT": "6000"}, (), 6000, "environment PUSHFIT_PORT"),
        ({"PORT": "5000"}, ("--port", "7000"), 7000, "command line"),
    ],
)
def test_the_port_of_a_platform(
    env: dict[str, str], flags: tuple[str, ...], port: int, source: str
) -> None:
    found = run(*flags, struct=ServeSettings, env=env)
    assert found.settings.port == port and str(found.sources["port"]) == source


@pytest.mark.parametrize("text", ["", "http", "70000", "-1", "tcp://10.0.0.1:80"])
def test_a_port_of_a_platform_that_is_none(text: str) -> None:
    with pytest.raises(ConfigError, match=r"PORT in the environment: .*a whole number, 0 to 65535"):
        run(struct=ServeSettings, env={"PORT": text})
    assert run(env={"PORT": text}).settings.task  # a trainer has no such setting
