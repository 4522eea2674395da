"""What the pages point to exists: files, headings, tests, modules."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from bench.lab.processes import ROOT
from pushfit import tasks
from pushfit.settings.fields import settings_of
from pushfit.settings.programs.generator import GeneratorSettings
from pushfit.settings.programs.predict import PredictSettings
from pushfit.settings.programs.serve import ServeSettings
from pushfit.settings.programs.sink import SinkSettings
from pushfit.settings.programs.train import TrainSettings
from tests.support.pages import PAGES, name

LINKED = (*PAGES, ROOT / "CHANGELOG.md", ROOT / "bench" / "README.md")
PACKAGE = ROOT / "lib" / "pushfit"
TODAY = [page for page in PAGES if name(page) != "docs/log.md"]  # which names what was there once
PLACEHOLDER = re.compile(r"NAME|TASK|FAMILY|DIR|^path/")


def prose(page: Path) -> str:
    """The page without its code blocks."""
    return re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def slug(heading: str) -> str:
    """The anchor that GitHub and the site give a heading."""
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)}


@cache
def functions(module: Path) -> frozenset[str]:
    """Names of the tests in a module, also of those that a subject has in parts."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("page", LINKED, ids=name)
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    lost = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("page", TODAY, ids=name)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    """`tests/x/test_y.py::test_z`; `…::test_z` is of the module that was named last."""
    module, lost = ROOT, []
    for path, test in re.findall(r"`(…|tests/[\w/.]*)(?:::(\w+))?`", prose(page)):
        if PLACEHOLDER.search(path):
            continue
        if path != "…":
            module = ROOT / path
        if not module.exists() or (test and test not in functions(module)):
            lost.append(f"{module.relative_to(ROOT)}::{test}")
    assert lost == []


@pytest.mark.parametrize("page", TODAY, ids=name)
def test_every_module_that_a_page_names_exists(page: Path) -> None:
    """A path in backticks that ends in .py starts from the package, or from the top."""
    named = re.findall(r"`([\w./-]+/[\w.-]+\.py)`", prose(page))
    paths = [path for path in named if not PLACEHOLDER.search(path)]
    assert [p for p in paths if not ((PACKAGE / p).is_file() or (ROOT / p).is_file())] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


USERS = [ROOT / "docs" / f"{page}.md" for page in (
    "images", "your-own-photos", "digits", "hdf5", "models", "remote", "resume",
    "predict-and-serve", "store-and-replay", "operating", "many-gpus",
)]  # fmt: skip


OTHERS = {"--help", "--models"}  # of every program; of `python -m bench zoo`


@pytest.mark.parametrize("page", USERS, ids=name)
def test_every_flag_that_a_page_names_exists(page: Path) -> None:
    programs = (TrainSettings, GeneratorSettings, SinkSettings, PredictSettings, ServeSettings)
    structs = [*programs, *(tasks.load(task).Params for task in tasks.TASKS)]
    settings = [setting for struct in structs for setting in settings_of(struct)]
    known = {setting.flag for setting in settings}
    known |= {setting.negated for setting in settings if setting.is_bool}
    named = re.findall(r"`(?:[^`]* )?(--[a-z][\w-]*)", prose(page))
    assert set(named) - known - OTHERS == set()
