"""Digits: what is found, what is drawn, and what is said where files are wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pushfit.errors import DataError
from pushfit.plan.order import patch_draws, patch_rng
from pushfit.tasks.base import TEST, TRAIN, UNKNOWN, VAL
from pushfit.tasks.digits.task import DigitsParams, DigitsTask
from tests.support.idx_files import write_digits, write_idx


def digits(**params: object) -> DigitsTask:
    return DigitsTask(DigitsParams(**params))  # type: ignore[arg-type]


def drawn(
    task: DigitsTask, split: str, records: np.ndarray, patch: int = 0
) -> dict[str, np.ndarray]:
    visits = np.arange(len(records))
    patches = np.full_like(visits, patch)
    draws = patch_draws(1, split, 0, visits, records, patches)
    return dict(task.block(Path(), split, records, patches, draws))


def test_a_share_is_held_out_the_same_one_everywhere(tmp_path: Path) -> None:
    write_digits(tmp_path / "plain", 100)
    write_digits(tmp_path / "zipped" / "train", 100, end=".gz")
    plain, zipped = digits().scan(tmp_path / "plain"), digits().scan(tmp_path / "zipped")
    assert plain == zipped and plain.fingerprint() == zipped.fingerprint()
    assert plain.classes == tuple("0123456789")
    assert [len(plain.splits[split]) for split in (TRAIN, VAL)] == [90, 10]
    paths = [record.path for records in plain.splits.values() for record in records]
    assert sorted(paths) == [f"train-images-idx3-ubyte/{row:05}" for row in range(100)]
    other = digits(held_out_seed=1).scan(tmp_path / "plain")
    assert other.splits[VAL] != plain.splits[VAL] and len(other.splits[VAL]) == 10
    assert not digits(held_out=0).scan(tmp_path / "plain").splits[VAL]
    for records in plain.splits.values():
        assert list(records) == sorted(records, key=lambda record: (record.label, record.path))


def test_a_validation_set_of_its_own_is_taken_as_it_is(tmp_path: Path) -> None:
    write_digits(tmp_path, 40)
    write_digits(tmp_path, 20, name="val", end=".gz")
    task = digits()
    data = task.scan(tmp_path)
    assert [len(data.splits[split]) for split in (TRAIN, VAL)] == [40, 20]
    made = drawn(task, VAL, np.arange(20))
    assert (made["image"].reshape(20, -1).min(axis=1) // 25 == made["label"]).all()


def test_a_block_is_what_sample_makes_one_by_one(tmp_path: Path) -> None:
    task = digits(rotation=30, zoom=0.3, shift=0.2, shear=0.2, elastic=0.1, flip="both")
    data = task.scan(write_digits(tmp_path, 200))
    for split in (TRAIN, VAL):
        records = np.random.default_rng(0).permutation(len(data.splits[split]))
        made = drawn(task, split, records)
        for visit, number in enumerate(records.tolist()):
            record = data.splits[split][number]
            item = task.decode(task.read(tmp_path, record), record)
            rng = patch_rng(1, split, 0, visit, number, 0)
            sample = task.sample(item, record, split, 0, rng)
            np.testing.assert_array_equal(sample["image"], made["image"][visit])
            assert sample["label"] == made["label"][visit] == record.label


def test_training_images_move_and_validation_images_stay(tmp_path: Path) -> None:
    write_digits(tmp_path, 100)
    for split, params, moves in (
        (TRAIN, {}, True),
        (VAL, {}, False),
        (TRAIN, {"rotation": 0, "zoom": 0, "shift": 0}, False),
        (TRAIN, {"rotation": 0, "zoom": 0}, True),
        (TRAIN, {"rotation": 0, "zoom": 0, "shift": 0, "shear": 0.3}, True),
        (TRAIN, {"rotation": 0, "zoom": 0, "shift": 0, "elastic": 0.1}, True),
        (TRAIN, {"rotation": 0, "zoom": 0, "shift": 0, "flip": "vertical"}, True),
        (VAL, {"flip": "both"}, False),
    ):
        task = digits(**params)
        data = task.scan(tmp_path)
        records = np.arange(len(data.splits[split]))
        found = [task.read(tmp_path, record) for record in data.splits[split]]
        images = np.frombuffer(b"".join(found), np.uint8).reshape(-1, 28, 28, 1)
        assert (drawn(task, split, records)["image"] != images).any() == moves


@pytest.mark.parametrize("flip", ["horizontal", "vertical", "both"])
def test_half_are_mirrored_where_that_is_wanted(tmp_path: Path, flip: str) -> None:
    write_digits(tmp_path, 400)
    still = digits(rotation=0, zoom=0, shift=0, flip=flip)
    data = still.scan(tmp_path)
    records = np.arange(len(data.splits[TRAIN]))
    images = still._splits[TRAIN].images[still._splits[TRAIN].rows]
    made = drawn(still, TRAIN, records)["image"][..., 0]
    axes = {"horizontal": [(2,)], "vertical": [(1,)], "both": [(2,), (1,), (1, 2)]}[flip]
    same = (made == images).all(axis=(1, 2))
    mirrored = [(made == np.flip(images, axis)).all(axis=(1, 2)) for axis in axes]
    kinds = np.array([same, *mirrored])
    assert (kinds.sum(axis=0) == 1).all()
    np.testing.assert_allclose(kinds.mean(axis=1), 1 / len(kinds), atol=0.1)
    val = np.arange(len(data.splits[VAL]))
    held_out = still._splits[VAL].images[still._splits[VAL].rows]
    np.testing.assert_array_equal(drawn(still, VAL, val)["image"][..., 0], held_out)
    # What else is drawn of a sample is what it was: those that are not mirrored are as without.
    for elastic in (0.0, 0.1):
        plain, flipped = digits(elastic=elastic), digits(elastic=elastic, flip=flip)
        plain.scan(tmp_path)
        flipped.scan(tmp_path)
        one, other = (drawn(task, TRAIN, records)["image"] for task in (plain, flipped))
        alike = (one == other).all(axis=(1, 2, 3))
        assert abs(alike.mean() - 1 / len(kinds)) < 0.1
        assert elastic or (alike == same).all()


def test_the_samples_are_what_the_specs_say(tmp_path: Path) -> None:
    task = digits()
    task.scan(write_digits(tmp_path))
    made = drawn(task, TRAIN, np.arange(5))
    for spec in task.arrays():
        assert made[spec.name].shape == (5, *spec.shape)
        assert made[spec.name].dtype == spec.dtype
    assert task.caption(made, 0, tuple("abcdefghij")) == "a"
    assert task.model_needs() == {"patch": (28, 28, 1)}
    assert task.to_fit(made) == (made["image"], made["label"])


def test_what_is_missing_or_does_not_go_together(tmp_path: Path) -> None:
    def message(**params: float) -> str:
        with pytest.raises(DataError) as raised:
            digits(**params).scan(tmp_path / "links")
        return str(raised.value)

    assert "links does not exist: it is the folder that holds your data" in message()
    links = tmp_path / "links"
    links.mkdir()
    assert "there is no train-images-idx3-ubyte" in message()
    (links / "train").symlink_to("/nowhere")
    assert "dangling link: its target /nowhere" in message()
    (links / "train").unlink()
    write_digits(links, 30)
    assert "images of 28 x 28 pixels, not of 32 x 32: give --side 28" in message(side=32)
    write_idx(links / "train-labels-idx1-ubyte", np.arange(29) % 10)
    assert "29 labels, and train-images-idx3-ubyte 30 images" in message()
    (links / "train-labels-idx1-ubyte").unlink()
    assert "without train-labels-idx1-ubyte (or .gz) beside it" in message()
    write_digits(links, 0)
    assert "holds no images" in message()


def test_an_archive_alone_or_a_table_of_another_name(tmp_path: Path) -> None:
    def messages() -> list[str]:
        said = []
        for scan in (digits().scan, digits().scan_test):
            with pytest.raises(DataError) as raised:
                scan(tmp_path)
            said.append(str(raised.value))
        return said

    (tmp_path / "mnist_train.csv").touch()
    (tmp_path / "mnist_test.csv.gz").touch()
    train, test = messages()
    assert train.endswith("if mnist_train.csv is meant, rename it to train.csv")
    assert test.endswith("if mnist_test.csv.gz is meant, rename it to test.csv.gz")
    archive = tmp_path / "digit-recognizer.zip"
    archive.touch()
    for said in messages():
        assert f"in it, {archive.name}: unpack it with `unzip {archive} -d {tmp_path}`" in said


def test_kaggles_archive_gives_the_data_set_that_plain_files_give(tmp_path: Path) -> None:
    write_digits(tmp_path / "plain", 40)
    for path in sorted((tmp_path / "plain").iterdir()):
        folder = tmp_path / "kaggle" / path.name
        folder.mkdir(parents=True)
        (folder / path.name).write_bytes(path.read_bytes())
        (folder.parent / path.name.replace("-idx", ".idx")).write_bytes(path.read_bytes())
    plain, kaggle = digits().scan(tmp_path / "plain"), digits().scan(tmp_path / "kaggle")
    assert kaggle == plain


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("folder", ["", "test", "train"])
@pytest.mark.parametrize("name", ["t10k", "test"])
def test_digits_to_predict_stay_in_the_order_of_their_file(
    tmp_path: Path, name: str, folder: str, end: str
) -> None:
    write_digits(tmp_path / folder, 30, name=name, end=end)
    task = digits()
    data = task.scan_test(tmp_path)
    assert [record.path for record in data.splits[TEST]] == [
        f"{name}-images-idx3-ubyte/{row:05}" for row in range(30)
    ]
    assert data.counts() == {TEST: [30]}
    records = np.random.default_rng(0).permutation(30)
    for patch, moved in ((0, False), (1, True)):
        made = drawn(task, TEST, records, patch)
        assert made["label"].tolist() == (records % 10).tolist()
        for visit, number in enumerate(records.tolist()):
            record = data.splits[TEST][number]
            pixels = task.read(tmp_path, record)
            assert (made["image"][visit].tobytes() != pixels) == moved
            rng = patch_rng(1, TEST, 0, visit, number, patch)
            sample = task.sample(task.decode(pixels, record), record, TEST, patch, rng)
            np.testing.assert_array_equal(sample["image"], made["image"][visit])
            assert sample["label"] == made["label"][visit]
    labels = tmp_path / folder / f"{name}-labels-idx1-ubyte{end}"
    labels.unlink()
    other = task.scan_test(tmp_path)
    assert other.fingerprint() != data.fingerprint()
    assert (drawn(task, TEST, records)["label"] == UNKNOWN).all()


def test_a_table_to_predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    header = ",".join(f"pixel{number}" for number in range(64))
    rows = "".join(",".join([str(grey)] * 64) + "\n" for grey in (3, 1, 2))
    (tmp_path / "test.csv").write_text(f"{header}\n{rows}")
    task = digits(side=8)
    assert len(task.scan_test(tmp_path).splits[TEST]) == 3
    made = drawn(task, TEST, np.arange(3))
    assert made["image"][:, 0, 0, 0].tolist() == [3, 1, 2]
    assert (made["label"] == UNKNOWN).all()
    labelled = "".join(f"{label}," + line + "\n" for label, line in enumerate(rows.splitlines()))
    (tmp_path / "test.csv").write_text(f"label,{header}\n{labelled}")
    assert task.scan_test(tmp_path).classes == ("labelled",)
    assert drawn(task, TEST, np.arange(3))["label"].tolist() == [0, 1, 2]
    (tmp_path / "train.csv").write_text(f"label,{header}\n")
    with pytest.raises(DataError, match=r"train\.csv in .* holds no images to train on"):
        task.scan(tmp_path)
    assert [task.submission_id(number, "test.csv/00000") for number in (0, 41)] == ["1", "42"]


def test_what_cannot_be_predicted(tmp_path: Path) -> None:
    def message() -> str:
        with pytest.raises(DataError) as raised:
            digits().scan_test(tmp_path / "data")
        return str(raised.value)

    assert "there is no folder" in message()
    write_digits(tmp_path / "data", 30)
    assert "neither t10k-images-idx3-ubyte, test-images-idx3-ubyte nor test.csv" in message()
    write_digits(tmp_path / "data", 0, name="test")
    assert "holds no images to predict" in message()
    write_digits(tmp_path / "data", 30, name="t10k")
    assert "t10k-images-idx3-ubyte and test-images-idx3-ubyte are both in" in message()
