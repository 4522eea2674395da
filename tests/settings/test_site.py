"""The folder that a site edits: where it is found, and the skeleton that `config --init` writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.lab.processes import ROOT
from pushfit import installation
from pushfit.commands import config
from pushfit.errors import ConfigError, OutputError
from pushfit.settings import new_site, site


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of a PushFit that is not a checkout."""
    monkeypatch.delenv(site.VARIABLE, raising=False)
    monkeypatch.setattr(installation, "checkout", lambda: None)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def listed(folder: Path) -> dict[str, str | bytes]:
    """{path: the target of a link, or the content of a file}"""
    return {
        path.relative_to(folder).as_posix(): (
            str(path.readlink()) if path.is_symlink() else path.read_bytes()
        )
        for name in ("cfg", "dockerlinks", "nvmelinks")
        for path in (folder / name).iterdir()
        if path.name != "__pycache__"
    }


def test_without_a_folder_the_default_table_counts(installed: Path) -> None:
    assert site.folder() is None
    assert site.hosts() == site.DEFAULT_HOSTS and site.row("camera") == {}
    assert site.root() == installed
    (installed / "cfg").mkdir()
    (installed / "cfg/base.py").write_text("HOSTS = 'of another project'\n")
    assert site.folder() is None


def test_the_skeleton_is_that_of_the_checkout_and_is_found(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert config.main(["--init"]) == 0
    assert "made cfg, dockerlinks, nvmelinks" in capsys.readouterr().out
    assert listed(installed) == listed(ROOT)
    assert site.folder() == installed / "cfg"
    assert site.hosts() == site.DEFAULT_HOSTS
    assert site.row("digits") == {}
    (installed / "cfg/digits.py").write_text('ROW = {"rotation": 20}\n')
    site._run.cache_clear()
    assert site.row("digits") == {"rotation": 20}


@pytest.mark.parametrize("there", ["cfg", "dockerlinks", "nvmelinks"])
def test_nothing_is_overwritten(installed: Path, there: str) -> None:
    (installed / there).mkdir()
    with pytest.raises(ConfigError, match=f"{there}: already in .* overwrites nothing"):
        config.main(["--init"])
    assert [path.name for path in installed.iterdir()] == [there]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write the files of a site"):
        new_site.make(tmp_path / "gone")


def test_a_variable_names_the_folder(
    installed: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("site")
    new_site.make(elsewhere)
    monkeypatch.setenv(site.VARIABLE, str(elsewhere / "cfg"))
    assert site.folder() == elsewhere / "cfg" and site.root() == elsewhere
    assert config.main(["--all"]) == 2  # the variable is not taken for a setting; no data is there
    monkeypatch.setenv(site.VARIABLE, str(installed))
    with pytest.raises(ConfigError, match=r"no base\.py in it; `pushfit config --init` makes"):
        site.folder()
