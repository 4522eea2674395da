"""The stream of test records: each once, in order, whoever makes it and wherever it begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg

from pushfit.errors import ConfigError, DataError
from pushfit.feed.source import Reference
from pushfit.predicting.ensemble import Group
from pushfit.predicting.stream import Unanswered, stream_of
from pushfit.settings.programs.predict import PredictSettings
from pushfit.streams.live import LiveStream
from pushfit.tasks import create
from pushfit.training.trained_run import Run
from tests.support.idx_files import write_digits
from tests.support.predicted import at_work
from tests.support.rig import until

RECORDS, SAMPLES = 5, 3  # of a batch; of a record


def group(name: str, **params: Any) -> Group:
    task = create(name, params)
    run = Run(Path("runs/one"), Path("runs/one/best.keras"), {"task": name}, ("a", "b"), task)
    return Group((run,), (0,), RECORDS, SAMPLES)


def stream(name: str, data: Path | str, *given: Any, **named: Any) -> LiveStream:
    params = named.pop("params", {})
    unanswered = named.pop("unanswered", Unanswered())
    settings = PredictSettings(data=str(data), generators=0, samples=SAMPLES)
    return stream_of(settings, group(name, **params), unanswered, *given, **named)


def taken(made: LiveStream, links: Path, count: int = 1) -> dict[str, np.ndarray]:
    with at_work(made, links, count):
        batches = [batch.arrays for batch in made.feed.batches("test")]
        assert all(len(arrays["image"]) <= RECORDS * SAMPLES for arrays in batches)
        copies = {name: np.concatenate([b[name].copy() for b in batches]) for name in batches[0]}
        audit = made.feed.audit()["test"][0]
    assert audit["seen"] == audit["expected"] and not audit["duplicate"] and not audit["missing"]
    return copies


@pytest.mark.parametrize("count", [1, 2])
def test_every_record_comes_once_and_in_order_first_as_it_is(tmp_path: Path, count: int) -> None:
    write_digits(tmp_path, 23, name="t10k")
    made = taken(stream("digits", tmp_path), tmp_path, count)
    labels = made["label"].reshape(23, SAMPLES)
    assert (labels == (np.arange(23) % 10)[:, np.newaxis]).all()
    images = made["image"].reshape(23, SAMPLES, 28, 28)
    plain = create("digits", {})
    data = plain.scan_test(tmp_path).splits["test"]
    for record, image in zip(data, images, strict=True):
        assert image[0].tobytes() == plain.read(tmp_path, record)
        assert len({one.tobytes() for one in image}) == SAMPLES  # the others are moved, each anew


def test_it_goes_on_at_any_batch(tmp_path: Path) -> None:
    write_digits(tmp_path, 23, name="t10k")
    whole = taken(stream("digits", tmp_path), tmp_path)
    first = stream("digits", tmp_path)
    with at_work(first, tmp_path):
        known: Reference = first.reference
    for batch in range(1, 5):
        for data in (tmp_path, ""):  # known from before, it need not be here
            rest = taken(stream("digits", data, known, batch), tmp_path)
            for name, values in rest.items():
                assert (values == whole[name][batch * RECORDS * SAMPLES :]).all()


def test_a_generator_stays_where_another_stream_follows(tmp_path: Path) -> None:
    write_digits(tmp_path, 8, name="t10k")
    for last in (False, True):
        made = stream("digits", tmp_path, last=last)
        with at_work(made, tmp_path) as workers:
            assert len(list(made.feed.batches("test"))) == 2
            made.__exit__(None, None, None)
            until(lambda last=last: workers[0].finished is last)


def test_a_broken_photo_is_named_and_its_place_kept(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    for number, grey in enumerate((10, 90, 170, 250)):
        photo = np.full((40, 48, 3), grey, np.uint8)
        name = f"{number}_{'manip' if number % 2 else 'unalt'}.jpg"
        (tmp_path / "test" / name).write_bytes(simplejpeg.encode_jpeg(photo, quality=95))
    (tmp_path / "test" / "1_manip.jpg").write_bytes(b"no photo at all")
    params, bad = {"patch": 16, "manipulated": 0.5, "flag": True}, Unanswered()
    made = stream("camera", tmp_path, params=params, unanswered=bad)
    arrays = taken(made, tmp_path)
    assert list(bad) == ["test/1_manip.jpg"]
    assert "text, not a photo" in bad["test/1_manip.jpg"]["reason"]
    greys = arrays["image"].reshape(4, -1).mean(axis=1)
    assert np.abs(greys - [10, 170, 170, 250]).max() < 3
    assert (arrays["label"] == -1).all()
    assert arrays["manipulation"].reshape(4, SAMPLES)[[0, 2, 3], 0].tolist() == [0, 0, 1]


def test_what_is_not_there_is_told_with_the_run(tmp_path: Path) -> None:
    for name in ("camera", "digits"):
        for data in (tmp_path, tmp_path / "gone"):
            with pytest.raises(DataError, match=rf"runs/one is a run of the task {name}\)"):
                stream(name, data)
    with pytest.raises(ConfigError, match="give --data with their folder, or --generators 0"):
        stream_of(PredictSettings(generators=1), group("digits"), Unanswered())


def test_other_data_than_before_is_refused(tmp_path: Path) -> None:
    write_digits(tmp_path, 8, name="t10k")
    first = stream("digits", tmp_path)
    with at_work(first, tmp_path):
        known = first.reference
    write_digits(tmp_path, 9, name="t10k")
    with pytest.raises(DataError, match=r"8 records .* then, 9 .* now"):
        stream("digits", tmp_path, known)
