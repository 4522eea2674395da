"""`bench fit` as short as it goes; what is pushed there is what `memory` trains on."""

from __future__ import annotations

import numpy as np
import pytest

from bench._ready import fleet, noise
from pushfit.settings.stream import MiB, StreamSettings
from pushfit.tasks.camera.params import CameraParams
from tests.support.benches import bench

pytestmark = pytest.mark.slow


def test_fit() -> None:
    words = "--seconds 0.3 --rounds 1 --regimes 28px --cores all"
    result = bench("fit", *words.split())
    for name in ("vs_memory_28px_all", "vs_beside_28px_all"):
        assert result["ratios"][name] > 0
    for side in ("memory", "fed"):
        assert result["figures"][f"{side}_28px_all_cpu_ms"] > 0


def test_fed_is_what_is_in_memory() -> None:
    settings = StreamSettings(
        batch_size=64, epochs=1, patches_per_epoch=1600, patches_per_visit=16,
        bind="tcp://127.0.0.1:0", buffer=64 * MiB,
    )  # fmt: skip
    fed = []
    with fleet(settings, CameraParams(patch=28), 2) as stream:
        for batch in stream.feed.all():
            fed += [row.tobytes() for row in batch.arrays["image"]]
        rows = noise(stream.feed.specs, 1600)[0]
    assert len(fed) == 1600
    assert set(fed) <= {row.tobytes() for row in rows}
    assert np.frombuffer(fed[0], np.uint8).std() > 50  # noise, not a blank
