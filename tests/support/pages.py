"""The pages that people read: README.md, CONTRIBUTING.md and docs/, and the commands on them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from bench.lab.processes import ROOT

PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))

# Commands that more than one test module runs.
COMPOSE_KEYS = "docker compose --profile keys run --rm keys make compose"
COMPOSE_UP = "docker compose up --scale generator=4"
SLURM_ENVIRONMENT = (
    "export PUSHFIT_OUT=$HOME/runs/cam1 PUSHFIT_LINKS=/data/photos PUSHFIT_KEYS=keys "
    "PUSHFIT_KEY=keys/slurm.key"
)
SLURM_KEY = "pushfit keys make slurm"
SLURM_TRAIN = "sbatch deploy/slurm/trainer.sbatch --task camera --epochs 20"
SLURM_GENERATE = "sbatch --array=0-15 deploy/slurm/generators.sbatch"
DEVICES = (
    "pushfit train --task camera --links DIR --devices all --batch-size 64",
    "pushfit train --resume --out runs/cam1 --devices 2",
)
CPU_PARTS = "export XLA_FLAGS=--xla_force_host_platform_device_count=4"


def name(page: Path) -> str:
    """How a page is called in messages: its path from the top."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str = "sh") -> list[str]:
    """The code blocks of a page in one language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def commands(page: Path) -> set[str]:
    """The commands in a page's shell blocks, each on one line, without comments."""
    joined = re.sub(r" *\\\n *", " ", "\n".join(blocks(page)))
    lines = (line.partition(" #")[0].strip() for line in joined.splitlines())
    return {line for line in lines if line}


def words(command: str, **stand_ins: object) -> list[str]:
    """The arguments of a command on a page, names replaced by what exists here.

    They are those of Python for `python …` and `pushfit …`, and the command's own for others.
    """
    for placeholder, value in stand_ins.items():
        command = command.replace(placeholder, str(value))
    program, *arguments = shlex.split(command)
    return ["-m", program, *arguments] if program == "pushfit" else arguments


ADDED = (
    "pushfit train --optimizer adamw --optimizer-args weight_decay=0.05,clipnorm=1",
    "pushfit train --loss mine.py:hard --metrics accuracy,sparse_top_k_categorical_accuracy",
    "pushfit train --mixup 0.2 --cutmix 1",
    "pushfit train --callback mine.py:Seen,keras.callbacks:TerminateOnNaN",
)
IMAGES = "pushfit train --task images --links DIR --model resnet50 --generators 2"
TWO_RANKS = "pushfit generate --connect tcp://127.0.0.1:12001,tcp://127.0.0.1:12003 --links DIR"
OWN_MODEL = "pushfit train --model mine.py:net --task camera --links DIR"
