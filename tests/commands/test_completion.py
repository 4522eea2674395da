"""`pushfit completion`: what the Tab key offers, asked in a real shell."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from pushfit.commands import COMMANDS, completion
from pushfit.errors import ConfigError
from pushfit.settings.fields import settings_of
from pushfit.settings.programs import PROGRAMS

FOUND = completion.commands()


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shell") / "pushfit.bash"
    path.write_text(completion.bash(FOUND))
    return path


@pytest.fixture
def offered(script: Path, tmp_path: Path):  # type: ignore[no-untyped-def]
    """What bash offers for the last of some words, cut as bash cuts them."""
    (tmp_path / "photos of 2026").mkdir()
    (tmp_path / "mytask.py").touch()

    def ask(*words: str) -> list[str]:
        code = (
            f"source <(cat {shlex.quote(str(script))}); COMP_WORDS=({shlex.join(words)}); "
            f"COMP_CWORD={len(words) - 1}; _pushfit; "
            "((${#COMPREPLY[@]})) && printf '%s\\n' \"${COMPREPLY[@]}\""
        )
        command = ["bash", "--norc", "-c", code]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert not ended.stderr
        return ended.stdout.splitlines()

    return ask


def test_every_command_is_known() -> None:
    assert list(FOUND) == list(COMMANDS)
    for name, struct in PROGRAMS.items():
        flags = {flag.name for flag in FOUND[name].flags}
        assert {setting.flag for setting in settings_of(struct)} < flags


def test_commands(offered) -> None:  # type: ignore[no-untyped-def]
    assert offered("pushfit", "") == list(COMMANDS)
    assert offered("pushfit", "s") == ["sink", "serve", "store", "samples"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("train --batch", ["--batch-size"]),
        ("train --no-bal", ["--no-balance"]),
        ("train --manipulated", ["--manipulated"]),  # of the camera task
        ("sink --rotat", ["--rotation"]),  # of the digits task
        ("generate --conn", ["--connect"]),
        ("train --order ar", ["arrival"]),
        ("train --order = ex", ["exact"]),
        ("train --epochs ''", []),
        ("train --model mobilenetv2", ["mobilenetv2"]),
        ("train --manipulations jpeg70,gamma0", ["jpeg70,gamma0.8"]),
        ("train --task d", ["digits"]),
        ("train --task my", ["mytask.py"]),
        ("train --links pho", ["photos of 2026"]),
        ("serve --run = ph", ["photos of 2026"]),
        ("keys re", ["revoke"]),
        ("keys --k", ["--keys"]),
        ("keys --keys ph", ["photos of 2026"]),
        ("store ve", ["verify"]),
        ("store verify ph", ["photos of 2026"]),
        ("samples --l", ["--large"]),
        ("config --in", ["--init"]),
        ("doctor --no", ["--no-keras"]),
        ("completion z", ["zsh"]),
        ("health my", ["mytask.py"]),
        ("unknown --", []),
    ],
)
def test_flags_choices_and_paths(offered, words: str, expected: list[str]) -> None:  # type: ignore[no-untyped-def]
    assert sorted(offered("pushfit", *shlex.split(words))) == sorted(expected)


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str], script: Path) -> None:
    assert completion.main(["bash"]) == 0
    assert capsys.readouterr().out == script.read_text() + "\n"
    with pytest.raises(ConfigError, match="choose from 'bash', 'zsh'"):
        completion.main(["fish"])


def test_the_script_for_zsh(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert completion.main(["zsh"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("#compdef pushfit\n")
    assert ":value:(exact arrival)" in text and ":value:_files" in text
    assert ":value: _pushfit_or_file camera images digits hdf5" in text
    if zsh := shutil.which("zsh"):
        (tmp_path / "_pushfit").write_text(text)
        subprocess.run([zsh, "-n", tmp_path / "_pushfit"], check=True, env={**os.environ})
