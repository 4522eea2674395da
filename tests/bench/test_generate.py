"""`bench generate` as small as it goes: every side delivers, each of the three rivals twice."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench import generate
from bench._work import SEED, Work
from pushfit.plan.order import patch_rng
from pushfit.tasks.base import TRAIN
from tests.support.scenes import scene

pytestmark = pytest.mark.slow

MODULES = {"torch": "torch", "keras": "keras", "tf": "tensorflow"}


@pytest.fixture
def links(tmp_path: Path) -> Path:
    for number in range(4):
        path = tmp_path / "train" / f"camera{number % 2}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene(320, 400, number)).save(path)
    return tmp_path


def test_one_core(links: Path) -> None:
    result = generate.run(
        ["--links", str(links), "--part", "one-core", "--sizes", "64", "--rounds", "1"]
    )
    assert result["failed"] == []
    assert result["figures"]["photos"] == 4
    ratios = result["ratios"]
    for k in generate.VISITS:
        assert ratios[f"vs_one_patch_64_k{k}"] > 0
        assert 0 < ratios[f"library_share_64_k{k}"] < 1
    assert result["figures"]["one_patch_64_patches_per_s"] > 0


@pytest.mark.parametrize("rival", generate.RIVALS)
def test_a_rival(rival: str, links: Path) -> None:
    if importlib.util.find_spec(MODULES[rival]) is None:
        pytest.skip("pip install -e '.[bench]'")
    words = f"--part loaders --rivals {rival} --sizes 64 --visits 2 --rounds 1 --seconds 0.3"
    result = generate.run([*words.split(), "--warm", "0.1", "--links", str(links)])
    assert result["failed"] == []
    for form in generate.FORMS:
        assert result["ratios"][f"vs_{rival}_{form}"] > 0
        assert result["figures"][f"loader_{rival}_{form}_64_patches_per_s"] > 0


def test_the_tuned_rivals_are_given_our_own_samples(links: Path) -> None:
    """What they deliver is what a maker makes: (K, px, px, 3) of one photo."""
    work = Work(str(links), 4 * 3, patch=64, patches=3)
    images, labels = work.made([1])
    assert images.shape == (3, 64, 64, 3)
    record = work.visited[1]
    assert labels.tolist() == [record.label] * 3
    whole = work.task.decode(work.task.read(links, record), record)
    for patch in range(3):
        rng = patch_rng(SEED, TRAIN, 0, 1, work.numbers[record.path], patch)
        sample = work.task.sample(whole, record, TRAIN, patch, rng)
        assert np.array_equal(images[patch], sample["image"])
