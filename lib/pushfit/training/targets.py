"""What `fit` gets of a batch, where labels are mixed or classes weighted: over `ToFit`, the task's.

    Feed ─▶ (images mixed) ─▶ to_fit ─▶ (labels as shares of each class) ─▶ (weights) ─▶ fit

It works on batches that the audit has counted and hashed, so neither sees anything of it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from pushfit.adapters.to_fit import ToFit
from pushfit.errors import ConfigError, TaskError, nearest
from pushfit.feed.feed import Batch
from pushfit.settings import class_weights
from pushfit.settings.programs.train import TrainSettings
from pushfit.streams.stream import Stream
from pushfit.tasks.base import TRAIN, VAL, ArraySpec
from pushfit.tasks.checks import LABEL
from pushfit.tasks.trimming import Shape
from pushfit.training.mixing import Mixing

log = logging.getLogger("pushfit.trainer")

IMAGE = "image"  # the array that is mixed
CLASS_HEAD = "class"  # the target that a weight is for, where there are several


class Targets:
    """Used in place of a ToFit.

    classes: how many there are.
    soft: targets are (B, classes) float32, shares of each class, in place of class numbers.
    mixing: of images and labels; None: of neither.
    weights: (classes,) float32 that each sample's weight is multiplied with; None: no weights.
    """

    def __init__(
        self,
        to_fit: ToFit,
        classes: int,
        *,
        soft: bool = False,
        mixing: Mixing | None = None,
        weights: np.ndarray | None = None,
    ) -> None:
        self._to_fit, self._classes, self._soft = to_fit, classes, soft
        self._mixing, self._weights = mixing, weights
        self.shapes = self._shapes()

    @property
    def failure(self) -> TaskError | None:
        return self._to_fit.failure

    def blank(self, rows: int) -> tuple[Any, ...]:
        """What `fit` gets of `rows` samples of zeros."""
        made = self._to_fit.blank(rows)
        return self._finished(made, np.zeros(len(keras.tree.flatten(made)[0]), np.int64))

    def of(self, batch: Batch) -> tuple[Any, ...]:
        """What `fit` gets of a batch of the feed. Raises TaskError."""
        arrays, labels, mixture = batch.arrays, batch.arrays[LABEL], None
        if self._mixing is not None:
            mixture = self._mixing.of(batch, arrays[IMAGE].shape)
            arrays = {**arrays, IMAGE: mixture.images(arrays[IMAGE])}
        made = self._to_fit(arrays)
        try:
            self._check(made, labels)
            shares = None
            if mixture is not None:
                shares = mixture.rows(self._one_hot(labels))
                if len(made) == 3 and made[2] is not None:
                    own = keras.tree.map_structure(mixture.rows, made[2])
                    made = (*made[:2], own)
            return self._finished(made, labels, shares)
        except TaskError as error:
            self._to_fit.failure = self._to_fit.failure or error
            raise

    def _check(self, made: tuple[Any, ...], labels: np.ndarray) -> None:
        if len(labels) and not 0 <= labels.min() <= labels.max() < self._classes:
            wrong = int(labels.min() if labels.min() < 0 else labels.max())
            raise TaskError(
                f"a sample has the label {wrong}, and classes are 0 to {self._classes - 1}: "
                "--class-weight, --mixup and --cutmix are for class numbers"
            )
        if self._soft and not np.array_equal(made[1], labels):
            raise TaskError(
                "to_fit() returns other targets than the array label: --mixup and --cutmix mix "
                "class numbers as they are, so leave them out"
            )

    def _finished(
        self, made: tuple[Any, ...], labels: np.ndarray, shares: np.ndarray | None = None
    ) -> tuple[Any, ...]:
        x, y, own = (*made, None)[:3]
        if self._soft:
            shares = self._one_hot(labels) if shares is None else shares
            y = shares
        if self._weights is None:
            return (x, y) if len(made) == 2 else (x, y, own)
        weights = self._weights[labels] if shares is None else shares @ self._weights
        return x, y, _weighted(own, weights, y)

    def _one_hot(self, labels: np.ndarray) -> np.ndarray:
        hot = np.zeros((len(labels), self._classes), np.float32)
        hot[np.arange(len(labels)), labels] = 1
        return hot

    def _shapes(self) -> list[Shape]:
        x, y, *_ = self._to_fit.blank(0)
        of_x, of_y = (len(keras.tree.flatten(part)) for part in (x, y))
        shapes = self._to_fit.shapes
        targets = [(None, self._classes)] if self._soft else shapes[of_x : of_x + of_y]
        weights = shapes[of_x + of_y :]
        if self._weights is not None:
            finished = keras.tree.flatten(self.blank(0)[2])
            opened = any(None in shape[1:] for shape in shapes[:of_x])
            weights = [
                (None,) * leaf.ndim if opened else (None, *leaf.shape[1:]) for leaf in finished
            ]
        return [*shapes[:of_x], *targets, *weights]


def _weighted(own: Any, weights: np.ndarray, y: Any) -> Any:
    """The weights of samples, times `own`, those that the task gives them."""
    if isinstance(y, Mapping):
        each = dict(own) if isinstance(own, Mapping) else dict.fromkeys(y, own)
        ones = np.ones_like(weights)
        each = {head: ones if each.get(head) is None else each[head] for head in y}
        return {**each, CLASS_HEAD: _weighted(each[CLASS_HEAD], weights, None)}
    if own is None:
        return weights
    return own * weights.reshape(-1, *([1] * (own.ndim - 1)))


def of_splits(to_fit: ToFit, settings: TrainSettings, stream: Stream) -> dict[str, ToFit | Targets]:
    """{split: what makes batches for `fit`}: `to_fit` itself where the settings add nothing.

    Only batches of training are mixed and weighted. Raises ConfigError where the task's samples are
    not of the kind that this needs.
    """
    classes = stream.classes
    if settings.class_weight:
        _check_weighted(to_fit, stream.feed.specs, len(classes))
    if settings.mixes:
        _check_mixed(to_fit, stream.feed.specs, len(classes))
    counts = stream.reference.counts[TRAIN]
    weights = weights_of(settings.class_weight, classes, counts)
    if weights is not None:
        told = ", ".join(
            f"{name} {weight:.4g}" for name, weight in zip(classes, weights, strict=True)
        )
        log.info("Weights   of classes: %s", told)
    train: ToFit | Targets = to_fit
    val: ToFit | Targets = to_fit
    if settings.mixes:
        val = Targets(to_fit, len(classes), soft=True)
    if settings.mixes or weights is not None:
        mixing = Mixing(settings.seed, settings.mixup, settings.cutmix) if settings.mixes else None
        train = Targets(to_fit, len(classes), mixing=mixing, soft=settings.mixes, weights=weights)
    return {TRAIN: train, VAL: val}


def _check_weighted(to_fit: ToFit, specs: Sequence[ArraySpec], classes: int) -> None:
    if not _has_numbers(specs) or classes < 2:
        raise ConfigError(
            "--class-weight is for tasks whose samples have an array label that holds class "
            "numbers, and this task's have none: leave it out, and return sample_weight in "
            "to_fit() instead"
        )
    y = to_fit.blank(1)[1]
    if not isinstance(y, np.ndarray) and not (isinstance(y, Mapping) and CLASS_HEAD in y):
        raise ConfigError(
            f"--class-weight: the task has several targets, none of which is called {CLASS_HEAD}: "
            "leave it out, and return sample_weight in to_fit() instead"
        )


def _check_mixed(to_fit: ToFit, specs: Sequence[ArraySpec], classes: int) -> None:
    x, y, *_ = to_fit.blank(1)
    image = next((spec for spec in specs if spec.name == IMAGE), None)
    if image is None or len(image.shape) != 3 or not isinstance(x, np.ndarray):
        raise ConfigError(
            "--mixup and --cutmix are for tasks whose model has one input, the array image of (H, "
            "W, channels), and this task's has others: leave them out"
        )
    if to_fit.trimming.varies(IMAGE):
        raise ConfigError(
            "--mixup and --cutmix mix images of one size, and this task trims its images to the "
            "longest of each batch, beyond which there is padding: leave them out"
        )
    numbers = isinstance(y, np.ndarray) and y.ndim == 1 and y.dtype.kind in "iu"
    if not numbers or not _has_numbers(specs) or classes < 2:
        raise ConfigError(
            "--mixup and --cutmix are for tasks whose one target is the array label of class "
            "numbers, and this task has others: leave them out"
        )


def _has_numbers(specs: Sequence[ArraySpec]) -> bool:
    label = next((spec for spec in specs if spec.name == LABEL), None)
    return label is not None and not label.shape and np.dtype(label.dtype).kind in "iu"


def weights_of(text: str, classes: Sequence[str], counts: Sequence[int]) -> np.ndarray | None:
    """(classes,) float32: the weight of each class; None: there are none.

    text: "", "balanced" or {class: weight} as JSON. counts: of the training records of each class.
    balanced: records ÷ (classes · records of the class), over the classes that have records.
    Raises ConfigError.
    """
    if not text:
        return None
    weights = np.ones(len(classes), np.float64)
    if text == class_weights.BALANCED:
        numbers = np.asarray(counts, np.float64)
        there = numbers > 0
        weights[there] = numbers.sum() / (there.sum() * numbers[there])
        return weights.astype(np.float32)
    for name, weight in class_weights.parse(text).items():
        if name not in classes:
            raise ConfigError(
                f"--class-weight: there is no class {name!r}{nearest(name, classes)} (the classes "
                f"are {', '.join(classes[:20])}{', …' if len(classes) > 20 else ''})"
            )
        weights[classes.index(name)] = weight
    return weights.astype(np.float32)
