"""The Python of docs/library.md, of the notebook and of the examples runs as it stands there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import pages
from tests.support.photos import write_photos

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "library.md"
EXAMPLES = ROOT / "examples" / "loops"


@pytest.mark.slow
def test_the_page(tmp_path: Path, many_digits: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 5
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks).replace('"DIR"', repr(str(many_digits))))
    said = ran([script], tmp_path)
    assert "[200, 200, 0]" in said
    assert (tmp_path / "model.keras").is_file()


MODEL = """
import keras
image = keras.Input((None, None, 3), dtype="uint8")
pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(image))
model = keras.Model(image, keras.layers.Dense(2, activation="softmax")(pooled))
model.compile("adam", "sparse_categorical_crossentropy")
"""


@pytest.mark.slow
def test_the_readme(tmp_path: Path) -> None:
    """Its task and its lines of a script, with a small model before them."""
    blocks = pages.blocks(ROOT / "README.md", "python")
    pets, lines = (
        next(b for b in blocks if word in b) for word in ("class Pets", "pushfit.stream")
    )
    (tmp_path / "pets.py").write_text(pets)
    (tmp_path / "script.py").write_text(
        MODEL + lines.replace('"DIR"', repr(str(write_photos(tmp_path / "links"))))
    )
    ran([tmp_path / "script.py"], tmp_path)
    assert (tmp_path / "pets.keras").is_file()


@pytest.mark.slow
def test_the_notebook(tmp_path: Path, many_digits: Path) -> None:
    """Its cells one after another, and the one that trains once more, as after an interruption."""
    cells = json.loads((ROOT / "examples" / "notebook.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    trains = next(each for each in code if "model.fit" in each)
    script = tmp_path / "cells.py"
    script.write_text(
        "\n\n".join([f"import os\nos.environ['DIGITS'] = {str(many_digits)!r}", *code])
    )
    assert "'missing': 0" in ran([script], tmp_path)
    (tmp_path / "again.py").write_text(
        "\n\n".join([*code[:2], trains.replace("epochs=3", "epochs=4")])
    )
    environ = {"DIGITS": str(many_digits)}
    assert "Epoch 4/4" in ran([tmp_path / "again.py"], tmp_path, environ)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "framework", "said"),
    [
        ("numpy_loop", "numpy", "of 200 validation samples"),
        ("tensorflow_loop", "tensorflow", "epoch 2: loss"),
        ("torch_loop", "torch", "epoch 2: loss"),
        ("jax_loop", "jax", "epoch 2: loss"),
    ],
)
def test_the_examples(
    tmp_path: Path, many_digits: Path, name: str, framework: str, said: str
) -> None:
    if framework not in installed():
        pytest.skip(f"{framework} is not installed")
    words = [EXAMPLES / f"{name}.py", many_digits, tmp_path / "model.pt"]
    assert said in ran(words[: 3 if name == "torch_loop" else 2], tmp_path)


def installed() -> set[str]:
    from importlib.util import find_spec

    names = ("numpy", "tensorflow", "torch", "jax")
    return {name for name in names if find_spec(name) is not None}


def ran(words: list[Path], folder: Path, more: dict[str, str] | None = None) -> str:
    environ = {**os.environ, **(more or {}), "PUSHFIT_BIND": "tcp://127.0.0.1:*"}
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_examples_are_short() -> None:
    for path in EXAMPLES.glob("*.py"):
        code = path.read_text().split('"""', 2)[2].strip().splitlines()
        assert len([line for line in code if line.strip()]) <= 30, path
