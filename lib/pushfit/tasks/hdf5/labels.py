"""The labels in a dataset of an HDF5 file, and the names of their classes.

Labels are whole numbers from 0, text, or a row for each image in which one number is 1 and the
others are 0. Unlike images they are read as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import msgspec
import numpy as np

from pushfit.errors import DataError, nearest
from pushfit.tasks.base import UNKNOWN
from pushfit.tasks.hdf5.files import Named, Pair, opened

MOST = 100_000  # most classes
_NAMES = ("classes", "class_names", "label_names", "labels_names", "list_classes", "categories")


class Labels(msgspec.Struct, frozen=True, eq=False):
    """The labels of the images of one dataset. values: (n,) int64, or text."""

    named: Named
    values: np.ndarray

    @property
    def is_text(self) -> bool:
        return bool(self.values.dtype.kind == "U")


def classes(train: Sequence[Pair], labels: Iterable[Sequence[Labels]]) -> tuple[str, ...]:
    """The names of the classes in their order. Raises DataError.

    They are the names in a file of `train`, or else the labels if these are text, or else numbers.
    """
    for pair in train:
        if pair.labels and (names := _class_names(pair.labels)):
            if len(set(names)) != len(names) or "" in names:
                raise DataError(
                    f"{pair.labels.file} names its classes {', '.join(names)[:200]}: a name is "
                    "listed twice, or empty; give the names with --classes"
                )
            return names
    known = [each for each in chain.from_iterable(labels) if len(each.values)]
    if any(each.is_text for each in known):
        found = {str(name) for each in known for name in np.unique(each.values)}
        return tuple(sorted(found))
    return tuple(map(str, range(1 + max((int(each.values.max()) for each in known), default=0))))


def numbered(labels: Sequence[Labels], classes: tuple[str, ...]) -> np.ndarray:
    """(n,) int64: the class of each image, one dataset after the other. Raises DataError."""
    return np.concatenate([_places(each, classes) for each in labels])


def known(labels: Sequence[Labels], classes: tuple[str, ...], count: int) -> np.ndarray:
    """(count,) int64: the true classes of test images; all UNKNOWN if they are not known.

    classes: the names that a person gave; (): text is looked up among the names in the file.
    """
    found = []
    for each in labels:
        names = classes or (_class_names(each.named) if each.is_text else ())
        if each.is_text and not names:
            return np.full(count, UNKNOWN)
        found.append(_places(each, names) if names else each.values)
    if sum(map(len, found)) != count:
        return np.full(count, UNKNOWN)
    return np.concatenate(found)


def _places(labels: Labels, classes: tuple[str, ...]) -> np.ndarray:
    named, values = labels.named, labels.values
    if labels.is_text:
        places = {name: place for place, name in enumerate(classes)}
        names, inverse = np.unique(values, return_inverse=True)
        for name in names.tolist():
            if name not in places:
                raise DataError(
                    f"{named}: the label {name!r} is not among the {len(classes)} classes"
                    f"{nearest(name, classes)}; add it with --classes"
                )
        return np.array([places[name] for name in names.tolist()], np.int64)[inverse]
    if len(values) and values.max() >= len(classes):
        row = int(np.flatnonzero(values >= len(classes))[0])
        raise DataError(
            f"{named}, row {row}: the label {values[row]} has no name: there are {len(classes)} "
            f"classes, {', '.join(classes)[:100]}, which are 0 to {len(classes) - 1}; name all "
            "with --classes"
        )
    return values


def read(named: Named, count: int) -> Labels:
    """The labels of `count` images. Raises DataError."""
    with opened(named.file) as file:
        data = file[named.path]
        shape = data.shape or ()
        if shape[:1] != (count,):
            raise DataError(
                f"{named} holds {shape[0] if shape else 'no'} labels, and its images are "
                f"{count:,}: they are not of the same set"
            )
        try:
            text = data.dtype.kind in "OS"
            values = data.asstr("utf-8", "replace")[()] if text else data[()]
        except (OSError, TypeError) as error:
            raise DataError(f"{named} cannot be read as labels: {error}") from error
    wide = values.reshape(count, -1) if count else values.reshape(0, 1)
    if wide.shape[1] == 1:
        wide = wide[:, 0]
    if text and wide.ndim == 1:
        return Labels(named, wide.astype(str))
    if wide.dtype.kind not in "buif":
        raise DataError(f"{named} holds {wide.dtype}{list(shape)}: a label is a number or a text")
    if wide.ndim == 2:
        if not (((wide == 0) | (wide == 1)).all() and (wide.sum(axis=1) == 1).all()):
            raise DataError(
                f"{named} is {wide.dtype}{list(shape)}: of several numbers for each image one must "
                "be 1, and the others 0; other targets need your own task "
                "(docs/your-own-task.md)"
            )
        return Labels(named, wide.argmax(axis=1))
    return Labels(named, _whole(named, wide))


def _whole(named: Named, values: np.ndarray) -> np.ndarray:
    wrong = np.flatnonzero((values != np.floor(values)) | (values < 0) | (values >= MOST))
    if len(wrong):
        raise DataError(
            f"{named}, row {wrong[0]}: {values[wrong[0]]} is not a label, which is a whole number "
            f"from 0 to {MOST - 1:,}; other targets need your own task (docs/your-own-task.md)"
        )
    whole: np.ndarray = values.astype(np.int64)
    return whole


def _class_names(named: Named) -> tuple[str, ...]:
    """The names of the classes in the file; (): it has none.

    They are in an attribute of the labels, of their group or of the file, or in a dataset there.
    """
    with opened(named.file) as file:
        data = file[named.path]
        for place in (data, data.parent, file):
            for name in _NAMES:
                if name in place.attrs:
                    return _texts(place.attrs[name])
                if place is not data and name in place and hasattr(place[name], "shape"):
                    return _texts(place[name][()])
    return ()


def _texts(values: Any) -> tuple[str, ...]:
    """The names in an attribute or dataset: a list of texts, or one with commas."""
    if isinstance(values, str | bytes):
        values = _text(values).split(",")
    found: Sequence[Any] = np.asarray(values).reshape(-1).tolist()
    return tuple(_text(each).strip() for each in found)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
