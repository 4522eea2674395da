"""What `fit` gets where labels are mixed and classes weighted; and for which tasks that works."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from pushfit.adapters.to_fit import ToFit
from pushfit.errors import ConfigError, TaskError
from pushfit.feed.feed import Batch
from pushfit.plan.order import Segment
from pushfit.settings.programs.train import TrainSettings
from pushfit.tasks.base import TRAIN, VAL, ArraySpec
from pushfit.training import targets
from pushfit.training.fit_data import prepare
from pushfit.training.targets import Targets

SPECS = (ArraySpec("image", "uint8", (6, 6, 3)), ArraySpec("label", "int32", ()))
NAMES = ("cat", "dog", "owl")


def task(made: Any = None, source: str = "", trimmed: Mapping[str, str] | None = None) -> Any:
    plain = made or (lambda batch: (batch["image"], batch["label"]))
    return SimpleNamespace(
        name="made", source=source, to_fit=plain, trimmed=trimmed or {}, trim_multiple=1
    )


def net() -> keras.Model:
    image = keras.Input((6, 6, 3), dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    return keras.Model(image, keras.layers.Dense(3, "softmax")(x))


def of(made: Any = None, specs: tuple[ArraySpec, ...] = SPECS, **settings: Any) -> Any:
    stream = SimpleNamespace(
        classes=NAMES,
        feed=SimpleNamespace(specs=specs),
        reference=SimpleNamespace(counts={TRAIN: [6, 3, 0]}),
    )
    to_fit = ToFit(task(made), specs, net())
    return targets.of_splits(to_fit, TrainSettings(**settings), stream)  # type: ignore[arg-type]


def batch(rows: int = 8) -> Batch:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (rows, 6, 6, 3)).astype(np.uint8)
    label = (np.arange(rows) % 2).astype(np.int32)
    return Batch(Segment(0, TRAIN, 0, 0, 0, 0), 0, {"image": image, "label": label})


def test_where_nothing_is_asked_for_nothing_stands_between() -> None:
    found = of()
    assert isinstance(found[TRAIN], ToFit) and found[TRAIN] is found[VAL]


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    weights = targets.weights_of("balanced", ("a", "b"), (30, 10))
    assert weights is not None
    np.testing.assert_allclose(weights, [40 / (2 * 30), 40 / (2 * 10)])
    none = targets.weights_of("balanced", NAMES, (6, 3, 0))
    np.testing.assert_allclose(none, [9 / (2 * 6), 9 / (2 * 3), 1])
    assert targets.weights_of("", NAMES, (6, 3, 0)) is None


def test_weights_of_a_file_are_by_name() -> None:
    np.testing.assert_array_equal(targets.weights_of('{"owl": 3}', NAMES, ()), [1, 1, 3])
    with pytest.raises(ConfigError, match="there is no class 'dgo', did you mean 'dog'"):
        targets.weights_of('{"dgo": 3}', NAMES, ())


def test_each_sample_of_training_weighs_as_its_class_does() -> None:
    found = of(class_weight='{"dog": 3, "cat": 0.5}')
    _, y, weight = found[TRAIN].of(batch())
    np.testing.assert_array_equal(y, batch().arrays["label"])
    np.testing.assert_array_equal(weight, [0.5, 3] * 4)
    assert weight.dtype == np.float32
    assert len(found[VAL].of(batch())) == 2


def test_a_tasks_own_weights_are_multiplied() -> None:
    def made(given: Mapping[str, np.ndarray]) -> Any:
        return given["image"], given["label"], np.full((len(given["label"]), 1), 2, np.float32)

    *_, weight = of(made, class_weight='{"dog": 3}')[TRAIN].of(batch())
    np.testing.assert_array_equal(weight[:, 0], [2, 6] * 4)


def test_with_several_heads_the_weights_are_for_the_class() -> None:
    def made(given: Mapping[str, np.ndarray]) -> Any:
        return given["image"], {"class": given["label"], "kind": given["label"]}

    found = of(made, class_weight='{"dog": 3}')[TRAIN]
    _, y, weight = found.of(batch())
    assert weight.keys() == y.keys()
    np.testing.assert_array_equal(weight["class"], [1, 3] * 4)
    np.testing.assert_array_equal(weight["kind"], np.ones(8))
    assert found.shapes == [(None, 6, 6, 3), *[(None,)] * 4]

    image = keras.Input((6, 6, 3), dtype="uint8")
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    heads = {name: keras.layers.Dense(3, "softmax", name=name)(flat) for name in y}
    model = keras.Model(image, heads)
    crossentropy = dict.fromkeys(y, "sparse_categorical_crossentropy")
    model.compile("sgd", loss=crossentropy, metrics={"class": ["accuracy"]})
    prepare(model, found)
    got = model.train_on_batch(*found.of(batch()), return_dict=True)
    assert np.isfinite(got["loss"])


def test_mixed_labels_are_shares_that_weigh_as_their_classes() -> None:
    found = of(mixup=0.4, class_weight='{"dog": 3}')
    given = batch()
    before = {name: array.copy() for name, array in given.arrays.items()}
    x, y, weight = found[TRAIN].of(given)
    assert x.dtype == np.uint8 and (x != before["image"]).any()
    assert y.dtype == np.float32 and y.shape == (8, 3)
    assert ((y > 0).sum(axis=1) > 1).any()
    np.testing.assert_allclose(weight, y @ [1, 3, 1], rtol=1e-6)
    for name, array in before.items():  # what the audit has hashed
        np.testing.assert_array_equal(given.arrays[name], array)
    x, y = found[VAL].of(given)
    np.testing.assert_array_equal(x, before["image"])
    np.testing.assert_array_equal(y, np.eye(3)[before["label"]])


@pytest.mark.parametrize("settings", [{"mixup": 0.4}, {"cutmix": 1.0, "class_weight": '{"dog":2}'}])
def test_shapes_are_those_of_what_comes(settings: Any) -> None:
    for part in of(**settings).values():
        made = part.of(batch())
        leaves = keras.tree.flatten(made)
        blank = keras.tree.flatten(part.blank(0))
        assert len(leaves) == len(part.shapes) == len(blank)
        for leaf, shape, zero in zip(leaves, part.shapes, blank, strict=True):
            assert leaf.shape[1:] == shape[1:] == zero.shape[1:]
            assert leaf.dtype == zero.dtype and len(zero) == 0


def regression(batch: Mapping[str, np.ndarray]) -> Any:
    return batch["image"], batch["label"].astype(np.float32)


def two_inputs(batch: Mapping[str, np.ndarray]) -> Any:
    return {"a": batch["image"], "b": batch["image"]}, batch["label"]


UNLABELLED = (SPECS[0], ArraySpec("y", "float32", ()))


@pytest.mark.parametrize(
    ("settings", "made", "specs", "said"),
    [
        ({"mixup": 1.0}, regression, SPECS, "whose one target is the array label"),
        ({"cutmix": 1.0}, two_inputs, SPECS, "whose model has one input"),
        (
            {"class_weight": '{"a": 1}'},
            lambda given: (given["image"], given["y"]),
            UNLABELLED,
            "--class-weight is for tasks whose samples have an array label",
        ),
    ],
)
def test_tasks_of_another_kind_are_told(settings: Any, made: Any, specs: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        of(made, specs, **settings)


def test_labels_that_are_not_what_they_seem_end_the_run() -> None:
    def shifted(given: Mapping[str, np.ndarray]) -> Any:
        return given["image"], given["label"] + 1

    found = of(shifted, mixup=0.4)[TRAIN]
    with pytest.raises(TaskError, match="other targets than the array label"):
        found.of(batch())
    assert isinstance(found.failure, TaskError)
    unknown = batch()
    unknown.arrays["label"][2] = 3
    weighted = of(class_weight='{"dog": 2}')[TRAIN]
    with pytest.raises(TaskError, match="has the label 3, and classes are 0 to 2"):
        weighted.of(unknown)


def test_a_targets_stands_in_for_a_to_fit() -> None:
    plain = ToFit(task(), SPECS, net())
    same = Targets(plain, 3).of(batch())
    for one, other in zip(same, plain.of(batch()), strict=True):
        np.testing.assert_array_equal(one, other)


TRIMMED = (*SPECS, ArraySpec("rows", "int32", ()))


def image_of_any_height(made: Any = None) -> ToFit:
    image = keras.Input((None, 6, 3), dtype="uint8")
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(image))
    model = keras.Model(image, keras.layers.Dense(3, "softmax")(x))
    return ToFit(task(made, trimmed={"image": "rows"}), TRIMMED, model)


def stream_of(specs: tuple[ArraySpec, ...]) -> Any:
    counts = SimpleNamespace(counts={TRAIN: [6, 3, 0]})
    return SimpleNamespace(classes=NAMES, feed=SimpleNamespace(specs=specs), reference=counts)


def test_images_that_are_trimmed_are_not_mixed() -> None:
    to_fit = image_of_any_height()
    assert to_fit.shapes == [(None, None, 6, 3), (None,)]
    for settings in ({"mixup": 0.2}, {"cutmix": 1.0}):
        with pytest.raises(ConfigError, match="mix images of one size, and this task trims its"):
            targets.of_splits(to_fit, TrainSettings(**settings), stream_of(TRIMMED))


def test_weights_along_a_trimmed_axis_have_any_length() -> None:
    def made(given: Mapping[str, np.ndarray]) -> Any:
        image = given["image"]
        return image, given["label"], np.ones(image.shape[:2], np.float32)

    to_fit = image_of_any_height(made)
    settings = TrainSettings(class_weight='{"dog": 3}')
    found = targets.of_splits(to_fit, settings, stream_of(TRIMMED))[TRAIN]
    assert to_fit.shapes[2] == found.shapes[2] == (None, None)


def test_a_model_of_one_length_is_refused_where_the_task_trims() -> None:
    with pytest.raises(TaskError, match="Input for x has 6 in axis 1, and the task trims that to"):
        ToFit(task(trimmed={"image": "rows"}), TRIMMED, net())
