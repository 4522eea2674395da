"""The commands of docs/training.md, and of a model of one's own in docs/models.md, train."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from bench.lab.processes import Starter
from tests.support import pages
from tests.support.idx_files import write_digits

ROOT = Path(__file__).parents[2]
MINE = """
import keras


def hard(y_true, y_pred):
    return 2 * keras.losses.sparse_categorical_crossentropy(y_true, y_pred)


class Seen(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        print("seen", epoch + 1, sorted(logs))
"""


def words_of(command: str, mine: Path, *more: object) -> list[object]:
    """The words behind `pushfit train`, with the file of the page where the test has it."""
    _, _, *words = shlex.split(command.replace("mine.py", str(mine)))
    return ["train_zmq.py", *words, *more, "--epochs", 1, "--generators", 1]


@pytest.mark.slow
@pytest.mark.parametrize("command", pages.ADDED)
def test_what_is_added_to_fit(start: Starter, tmp_path: Path, command: str) -> None:
    digits = write_digits(tmp_path / "digits", 300)
    (tmp_path / "mine.py").write_text(MINE)
    task = ("--task", "digits", "--links", digits, "--model", "smallcnn")
    where = ("--bind", "tcp://127.0.0.1:0", "--out", tmp_path / "out")
    said = start(*words_of(command, tmp_path / "mine.py", *task, *where)).done()
    assert "handed to fit and trained on exactly once" in said
    assert ("seen 1 ['accuracy'" in said) == ("Seen" in command)


@pytest.mark.slow
def test_a_model_of_ones_own(start: Starter, photos: Path, tmp_path: Path) -> None:
    page = pages.blocks(ROOT / "docs" / "models.md", "python")
    (tmp_path / "mine.py").write_text(next(block for block in page if "def net(" in block))
    command = pages.OWN_MODEL.replace("DIR", str(photos))
    where = ("--patch", 32, "--bind", "tcp://127.0.0.1:0", "--out", tmp_path / "out")
    said = start(*words_of(command, tmp_path / "mine.py", *where)).done()
    assert "handed to fit and trained on exactly once" in said
