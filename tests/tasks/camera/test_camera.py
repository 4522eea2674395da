"""The camera task: parameters, what is drawn, and what reaches the model."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pushfit.errors import BadRecord, ConfigError
from pushfit.settings.fields import parameters_of
from pushfit.tasks import load
from pushfit.tasks.base import TEST, TRAIN, UNKNOWN, VAL, Record
from pushfit.tasks.camera.manipulations import KNOWN
from pushfit.tasks.camera.params import ALL, CameraParams
from pushfit.tasks.camera.task import CameraTask

RECORD = Record("train/b/1.jpg", 1, 1)


def photo(height: int, width: int) -> np.ndarray:
    """Every pixel tells its place: (y // 4, x // 4, parity of both)."""
    y, x = np.mgrid[:height, :width]
    return np.stack([y // 4, x // 4, y % 4 * 4 + x % 4], axis=2).astype(np.uint8)


def task(**params: Any) -> CameraTask:
    return CameraTask(CameraParams(**{"patch": 16, **params}))


def draw(made: CameraTask, item: np.ndarray, seed: int, split: str = TRAIN) -> Any:
    return made.sample(item, RECORD, split, 0, np.random.Generator(np.random.Philox(seed)))


def place(image: np.ndarray) -> tuple[int, int]:
    """(x, y) in `photo` of the first pixel of an unmanipulated patch."""
    row, column, rest = (int(v) for v in image[0, 0])
    return column * 4 + rest % 4, row * 4 + rest // 4


def test_tasks_load_by_name() -> None:
    assert load("camera") is CameraTask
    with pytest.raises(ConfigError, match="no 'camrea', did you mean 'camera'"):
        load("camrea")


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"manipulations": ("jpeg71",)}, "manipulations: there is no 'jpeg71', did you mean 'jpeg"),
        ({"manipulations": ("jpeg70", "jpeg70")}, "'jpeg70' is listed twice"),
        ({"manipulations": ()}, "manipulations: the list is empty, but manipulated is 0.5"),
        ({"manipulation_weights": (1.0,)}, "manipulation_weights: 1 numbers for 8 manipulations"),
        ({"manipulation_weights": (0.0,) * 8}, "not all 0"),
        ({"manipulation_weights": (-1.0,) + (1.0,) * 7}, "0 or more"),
        ({"manipulation_weights": (float("nan"),) * 8}, "0 or more"),
        ({"offset": "evn"}, "offset: there is no 'evn', did you mean 'even'"),
        ({"classes": ("a", "a")}, "classes: 'a' is listed twice"),
        ({"classes": ("a",)}, "two classes"),
        ({"versions": "all", "manipulations": (), "manipulated": 0}, "must not be empty"),
        ({"versions": "all", "manipulation_weights": (1.0,) * 8}, "leave one of the two out"),
    ],
)
def test_parameters_that_contradict_each_other(params: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        CameraParams(**params)
    CameraParams(manipulated=0, manipulations=())


def test_every_parameter_has_a_sentence_and_survives_the_wire() -> None:
    info = msgspec.inspect.type_info(CameraParams)
    for field in info.fields:
        schema = field.type.extra_json_schema or {}
        assert schema["description"].endswith("."), field.name
    params = CameraParams(offset="eight", manipulation_weights=(1.0,) * 8)
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(params), type=CameraParams)
    assert again == params
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"pach": 3}, CameraParams)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**64 - 1),
    size=st.tuples(st.integers(16, 70), st.integers(16, 70)),
    offset=st.sampled_from(["any", "even", "eight"]),
    split=st.sampled_from([TRAIN, VAL]),
    spin=st.booleans(),
)
def test_a_sample_fits_its_specs_and_depends_on_its_arguments_alone(
    seed: int, size: tuple[int, int], offset: str, split: str, spin: bool
) -> None:
    made = task(offset=offset, flips=spin, turns=spin, manipulated=0.8)
    item = photo(*size)
    before = item.copy()
    one, two = draw(made, item, seed, split), draw(made, item, seed, split)
    for spec in made.arrays():
        value = np.asarray(one[spec.name])
        assert (value.dtype, value.shape) == (np.dtype(spec.dtype), spec.shape)
        assert np.array_equal(value, two[spec.name])
    assert one["label"] == RECORD.label
    assert np.array_equal(item, before)


@pytest.mark.parametrize(("offset", "step"), [("any", 1), ("even", 2), ("eight", 8)])
def test_places_are_uniform_over_what_the_policy_allows(offset: str, step: int) -> None:
    made = task(offset=offset, manipulated=0)
    item = photo(41, 35)
    places = {place(draw(made, item, seed)["image"]) for seed in range(4000 // step**2)}
    assert places <= {(x, y) for x in range(0, 20, step) for y in range(0, 26, step)}
    assert {x for x, _ in places} == set(range(0, 20, step))
    assert {y for _, y in places} == set(range(0, 26, step))


@pytest.mark.parametrize(("offset", "at"), [("any", (9, 12)), ("even", (8, 12)), ("eight", (8, 8))])
def test_validation_takes_the_centre_rounded_down(offset: str, at: tuple[int, int]) -> None:
    made = task(offset=offset, manipulated=0, flips=True, turns=True)
    for seed in range(5):
        assert place(draw(made, photo(41, 35), seed, VAL)["image"]) == at


def test_of_a_test_photo_the_centre_comes_first_and_then_what_training_would_show() -> None:
    made, item = task(manipulated=1.0, flips=True, turns=True), photo(33, 40)
    for seed in range(50):
        rng = np.random.Generator(np.random.Philox(seed))
        first = made.sample(item, RECORD, TEST, 0, rng)
        assert place(first["image"]) == (12, 8)
        assert (first["image"] == item[8:24, 12:28]).all()
        assert (first["label"], first["manipulation"]) == (UNKNOWN, 0)
    # Training draws first whether to manipulate; from then on the two are the same.
    for seed in range(20):
        rngs = [np.random.Generator(np.random.Philox(seed)) for _ in range(2)]
        rngs[1].random()
        shown = made.sample(item, RECORD, TEST, 1, rngs[1])
        trained = task(manipulated=0.0, flips=True, turns=True)
        assert (shown["image"] == trained.sample(item, RECORD, TRAIN, 1, rngs[0])["image"]).all()


@pytest.mark.parametrize(("name", "flag"), [("a_manip.tif", 1), ("a_unalt.tif", 0), ("b.jpg", 0)])
def test_a_test_photos_name_says_whether_it_was_manipulated(name: str, flag: int) -> None:
    rng = np.random.Generator(np.random.Philox(0))
    sample = task(flag=True).sample(photo(20, 20), Record(name, 1, 0), TEST, 0, rng)
    assert sample["manipulation"] == flag


def seen(made: CameraTask, item: np.ndarray, count: int, name: str = "a.jpg") -> list[Any]:
    """The first samples of a test photo."""
    record = Record(name, 1, 0)
    rngs = [np.random.Generator(np.random.Philox(number)) for number in range(count)]
    return [made.sample(item, record, TEST, number, rng) for number, rng in enumerate(rngs)]


@pytest.mark.parametrize(
    ("offset", "across", "down"),
    [("any", [0, 9, 19], [0, 12, 25]), ("eight", [0, 8, 16], [0, 8, 24])],
)
def test_a_grid_lies_evenly_from_edge_to_edge(
    offset: str, across: list[int], down: list[int]
) -> None:
    made, views = task(offset=offset, flips=True, turns=True, manipulated=1.0).test_views(3, False)
    assert views == 9
    places = [place(sample["image"]) for sample in seen(made, photo(41, 35), 9)]
    assert places == [(x, y) for y in down for x in across]
    small = [place(sample["image"]) for sample in seen(made, photo(16, 16), 9)]
    assert small == [(0, 0)] * 9
    centre, _ = task(offset=offset).test_views(1, False)
    assert place(seen(centre, photo(41, 35), 1)[0]["image"]) == place(
        seen(task(offset=offset), photo(41, 35), 1)[0]["image"]
    )


def test_each_manipulation_is_seen_where_a_patch_fits_and_nothing_was_manipulated_before() -> None:
    ways = ("jpeg70", "resize0.5", "gamma0.8")
    made, views = task(manipulations=ways).test_views(2, True)
    assert views == 16
    item = photo(40, 44)
    samples = seen(made, item, views)
    assert [int(sample["manipulation"]) for sample in samples] == [0, 1, 2, 3] * 4
    table = np.array([round(255 * (v / 255) ** 0.8) for v in range(256)], np.uint8)
    for corner in range(4):
        plain, *_, gamma = samples[4 * corner : 4 * corner + 4]
        assert (gamma["image"] == table[plain["image"]]).all()  # at the same place
    assert [int(s["manipulation"]) for s in seen(made, photo(20, 40), 4)] == [0, 1, 0, 3]
    before = seen(made, item, 4, "img_manip.tif")
    assert [int(sample["manipulation"]) for sample in before] == [1] * 4
    assert len({sample["image"].tobytes() for sample in before}) == 1


def test_views_are_the_same_from_the_part_that_is_decoded() -> None:
    made, views = task(manipulations=("jpeg70", "resize2.0")).test_views(1, True)
    out = io.BytesIO()
    Image.fromarray(photo(200, 300)).save(out, "JPEG", quality=90)
    record = Record("a.jpg", 1, 0)

    def rngs() -> Any:
        return (np.random.Generator(np.random.Philox(number)) for number in range(views))

    part = made.decode_for(out.getvalue(), record, TEST, rngs())
    whole = made.decode(out.getvalue(), record)
    for number, rng in enumerate(rngs()):
        one, two = (made.sample(item, record, TEST, number, rng) for item in (part, whole))
        assert (one["image"] == two["image"]).all()


def test_what_predict_asks_for_is_no_flag_of_training() -> None:
    names = {setting.field for setting in parameters_of("camera", CameraParams, ())}
    assert "offset" in names and not names & {"test_grid", "test_manipulations"}


def test_share_and_weights() -> None:
    made = task(
        manipulated=0.5,
        manipulations=("jpeg70", "gamma0.8", "jpeg90"),
        manipulation_weights=(3, 0, 1),
    )
    item = photo(32, 32)
    drawn = [int(draw(made, item, seed)["manipulation"]) for seed in range(2000)]
    share = np.bincount(drawn, minlength=4) / len(drawn)
    assert share == pytest.approx([0.5, 0.375, 0, 0.125], abs=0.04)
    assert share[2] == 0


def test_only_manipulations_that_leave_a_patch_are_drawn() -> None:
    made = task(manipulated=1)
    drawn = {int(draw(made, photo(19, 40), seed)["manipulation"]) for seed in range(200)}
    names = {made.manipulation_names[i] for i in drawn}
    assert names == set(ALL) - {"resize0.5", "resize0.8"}
    small = task(manipulated=1, manipulations=("resize0.5",))
    assert draw(small, photo(19, 40), 1)["manipulation"] == 0


def test_mirror_and_turns_give_the_eight_views() -> None:
    made = task(manipulated=0, flips=True, turns=True)
    item = photo(16, 16)
    seen = {draw(made, item, seed)["image"].tobytes() for seed in range(80)}
    views = [np.rot90(base, k) for base in (item, item[:, ::-1]) for k in range(4)]
    assert seen == {np.ascontiguousarray(view).tobytes() for view in views}


def test_a_photo_smaller_than_the_patch_is_bad() -> None:
    out = io.BytesIO()
    Image.fromarray(photo(15, 40)).save(out, "PNG")
    with pytest.raises(BadRecord, match=r"40 x 15 px, smaller than .* 16: use --patch 15 or less"):
        task().decode(out.getvalue(), RECORD)
    assert task(patch=15).decode(out.getvalue(), RECORD).shape == (15, 40, 3)


def test_reading_and_scanning(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / "train" / name).mkdir(parents=True)
        Image.fromarray(photo(20, 20)).save(tmp_path / "train" / name / "1.jpg")
    data = task().scan(tmp_path)
    made = task()
    record = data.splits[TRAIN][1]
    item = made.decode(made.read(tmp_path, record), record)
    assert draw(made, item, 1)["image"].shape == (16, 16, 3)


def test_what_reaches_the_model() -> None:
    batch = {
        "image": np.zeros((3, 16, 16, 3), np.uint8),
        "label": np.array([2, 0, 1], np.int32),
        "manipulation": np.array([0, 1, 8], np.uint8),
    }
    x, y = task().to_fit(batch)
    assert x is batch["image"]
    assert y is batch["label"]
    x, y = task(flag=True, aux=True).to_fit(batch)
    assert x["image"] is batch["image"]
    assert x["manipulated"].dtype == np.float32
    assert x["manipulated"].tolist() == [[0.0], [1.0], [1.0]]
    assert y == {"class": batch["label"], "manipulation": batch["manipulation"]}
    captions = [task().caption(batch, i, ("A", "B", "C")) for i in range(3)]
    assert captions == ["C", "A · jpeg70", "B · gamma1.2"]


def test_importing_the_task_is_light() -> None:
    code = (
        "import sys, pushfit.tasks.camera.task; "
        "print([m for m in ('PIL', 'tensorflow', 'keras', 'cv2', 'scipy') if m in sys.modules])"
    )
    root = Path(__file__).resolve().parents[2]
    out = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=True)
    assert out.stdout.decode().strip() == "[]"


@pytest.mark.parametrize("split", [TRAIN, VAL])
@pytest.mark.parametrize("offset", ["any", "eight"])
def test_of_all_versions_each_shows_the_same_place(split: str, offset: str) -> None:
    made = task(versions="all", offset=offset, manipulations=("gamma0.8", "jpeg90", "resize0.5"))
    plain = task(manipulated=0, offset=offset)
    item = photo(96, 128)
    assert made.versions(split) == 4
    for seed in range(20):
        versions = [
            made.sample(item, RECORD, split, n, np.random.Generator(np.random.Philox(seed)))
            for n in range(4)
        ]
        assert [int(each["manipulation"]) for each in versions] == [0, 1, 2, 3]
        raw, gamma, jpeg, half = (each["image"] for each in versions)
        x, y = place(raw)
        if split == VAL:
            assert (raw == draw(plain, item, seed, split)["image"]).all()
        assert (gamma == KNOWN["gamma0.8"].cut(item, x, y, 16)).all()
        assert (jpeg == KNOWN["jpeg90"].cut(item, x, y, 16)).all()
        # Around the same middle, to the grid of the offset, as far as the photo reaches.
        step = KNOWN["resize0.5"].step({"any": 1, "eight": 8}[offset])
        left, top = (
            min(max((2 * start + 16) // 4 - 8, 0) // step * step, (length // 2 - 16) // step * step)
            for start, length in ((x, 128), (y, 96))
        )
        assert (half == KNOWN["resize0.5"].cut(item, left, top, 16)).all()


def test_all_versions_are_mirrored_and_turned_alike() -> None:
    made = task(versions="all", manipulations=("gamma0.8",), flips=True, turns=True)
    item, ways = photo(64, 64), set()
    table = np.frombuffer(KNOWN["gamma0.8"].table, np.uint8)  # type: ignore[attr-defined]
    for seed in range(40):
        rngs = [np.random.Generator(np.random.Philox(seed)) for _ in range(2)]
        raw, gamma = (made.sample(item, RECORD, TRAIN, n, rngs[n])["image"] for n in range(2))
        assert (gamma == table[raw]).all()
        ways.add(tuple(np.sign(raw[0, 8, :2].astype(int) - raw[0, 0, :2].astype(int)).tolist()))
    assert ways == {(0, 1), (0, -1), (1, 0), (-1, 0)}


def test_a_photo_that_is_too_small_for_one_version_is_bad() -> None:
    packed = io.BytesIO()
    Image.fromarray(photo(40, 30)).save(packed, "PNG")
    made = task(versions="all", manipulations=("jpeg70", "resize0.5"))
    with pytest.raises(BadRecord, match=r"30 x 40 px, .*of 16 at resize0\.5: use --patch 15 or"):
        made.decode(packed.getvalue(), RECORD)
    task(versions="all", manipulations=("jpeg70",)).decode(packed.getvalue(), RECORD)


def test_what_is_to_be_predicted_has_one_version() -> None:
    assert task(versions="all").versions(TEST) == 1
    assert task().versions(TRAIN) == 1
