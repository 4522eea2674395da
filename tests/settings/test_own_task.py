"""The settings of a task from a file: as those of a built-in one, in every layer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bench.lab.processes import ROOT
from pushfit.commands import config as report
from pushfit.errors import ConfigError
from pushfit.host_facts import Machine
from pushfit.settings.programs.generator import GeneratorSettings
from pushfit.settings.programs.train import TrainSettings
from pushfit.settings.resolve import Resolved, resolve
from pushfit.settings.site import DEFAULT_HOSTS, Host
from tests.support.own_tasks import GOOD, write_task


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_task(tmp_path / "mytask.py")


def run(
    *argv: object,
    struct: type[Any] = TrainSettings,
    env: Mapping[str, str] | None = None,
    table: tuple[Host, ...] = DEFAULT_HOSTS,
) -> Resolved[Any]:
    words = [str(word) for word in argv]
    return resolve(
        struct, words, prog="x.py", environ=env or {}, machine=Machine("desk"), table=table
    )


def test_its_parameters_are_settings(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = run("--task", file, "--gain=0.25", env={"PUSHFIT_SIZE": "32"})
    assert (outcome.params.gain, outcome.params.size) == (0.25, 32)  # type: ignore[union-attr]
    assert str(outcome.sources["size"]) == "environment PUSHFIT_SIZE"
    with pytest.raises(ConfigError, match="--gain on the command line: '2' is not valid"):
        run("--task", file, "--gain=2")
    with pytest.raises(ConfigError, match=r"--gian is not a flag of x.py, did you mean '--gain'"):
        run("--task", file, "--gian=1")
    with pytest.raises(SystemExit):
        run("--task", file, "--help")
    shown = capsys.readouterr().out
    assert "Dots task:" in shown and "How much brighter. [default 0.5; 0 to 1]" in shown


def test_its_row_gives_defaults(file: Path) -> None:
    outcome = run("--task", file)
    assert (outcome.settings.epochs, str(outcome.sources["epochs"])) == (3, "task dots")
    assert run("--task", file, "--epochs=4").settings.epochs == 4
    file.with_name("b.py").write_text(GOOD.replace('"epochs"', '"epoch"'))
    with pytest.raises(ConfigError, match=r"'epoch' in the row of task dots .*mean 'epochs'"):
        run("--task", file.with_name("b.py"))


def test_a_path_starts_from_where_it_was_written(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    for outcome in (run("--task=mytask.py"), run(env={"PUSHFIT_TASK": "./mytask.py"})):
        assert outcome.settings.task == str(file)
        assert outcome.as_json()["settings"]["task"]["value"] == str(file)
    table = (Host("desk", {"task": "examples/photos.py"}), *DEFAULT_HOSTS)
    assert run(table=table).settings.task == str(ROOT / "examples" / "photos.py")


def test_a_parameter_that_is_a_setting_as_well_gets_the_name_of_the_task(file: Path) -> None:
    file.write_text(GOOD.replace("gain", "epochs").replace('row = {"epochs": 3}', "row = {}"))
    outcome = run("--task", file, "--epochs=7", "--dots-epochs=0.5")
    assert (outcome.settings.epochs, outcome.params.epochs) == (7, 0.5)  # type: ignore[union-attr]


def test_a_generator_takes_the_file_and_none_of_its_parameters(file: Path) -> None:
    settings = {"struct": GeneratorSettings}
    assert run(**settings).settings.task == ""
    env = {"PUSHFIT_TASK": str(file), "PUSHFIT_GAIN": "0.25"}
    outcome = run(env=env, **settings)
    assert (outcome.settings.task, outcome.params) == (str(file), None)
    with pytest.raises(ConfigError, match=r"--gain is not a flag of x.py"):
        run("--task", file, "--gain=1", **settings)
    with pytest.raises(ConfigError, match="PUSHFIT_GIAN in the environment is not a setting"):
        run(env={"PUSHFIT_TASK": str(file), "PUSHFIT_GIAN": "1"}, **settings)
    assert run(env={"PUSHFIT_TASK": "camera", "PUSHFIT_PATCH": "8"}, **settings).params is None


@pytest.mark.parametrize("kind", ["dict[str, int]", "np.ndarray", "list[list[int]]", "Path"])
def test_a_parameter_that_no_command_line_can_hold(file: Path, kind: str) -> None:
    field = f"from pathlib import Path\nimport numpy as np\n{GOOD}".replace(
        'gain: Annotated[float, Meta(ge=0, le=1, description="How much brighter.")] = 0.5',
        f"gain: {kind}",
    )
    file.write_text(field)
    with pytest.raises(ConfigError, match=r"parameter 'gain' cannot be written on.*of its own"):
        run("--task", file)


def test_the_report_on_this_host_shows_them(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main(["--task", str(file), "--gain", "0.25", "--links", str(file.parent)]) == 2
    shown = capsys.readouterr().out
    assert f"task {file}" in " ".join(shown.split())
    assert "gain 0.25 command line train sink" in " ".join(shown.split())
