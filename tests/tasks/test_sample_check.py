"""A sample that is not what the task declares is told with its record's name."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from pushfit.errors import TaskError
from pushfit.tasks.sample_check import Samples
from tests.support.fakes import NumberParams, NumberTask

IMAGE, LABEL = np.zeros((4, 4), np.float32), np.int32(1)


class Own(NumberTask):
    source = "abc"


def own(**methods: Any) -> NumberTask:
    """A task of a user's own with other methods; each ignores its arguments."""
    made = {how: lambda *_, value=value: value for how, value in methods.items()}
    return type("Own", (Own,), made)(NumberParams())  # type: ignore[no-any-return]


def samples(task: NumberTask) -> Samples:
    return Samples(task, NumberTask(NumberParams()).arrays(), classes=2)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"image": IMAGE.astype(float), "label": LABEL}, "'image' as float64[4, 4], not float32"),
        ({"image": IMAGE[1:], "label": LABEL}, "'image' as float32[3, 4], not float32[4, 4]"),
        ({"image": IMAGE.tolist(), "label": LABEL}, "'image' as a list, not float32[4, 4]"),
        ({"image": None, "label": LABEL}, "'image' as None, not float32[4, 4]"),
        ({"image": object(), "label": LABEL}, "'image' as an object, not"),
        ({"image": IMAGE, "label": np.int64(1)}, "'label' as int64, not int32"),
        ({"image": IMAGE, "label": np.array([1], np.int32)}, "'label' as int32[1], not int32"),
        ({"image": IMAGE, "label": 1.0}, "'label' as 1.0, not int32"),
        ({"image": IMAGE, "label": 2**31}, "'label' as 2147483648, not int32"),
        ({"image": IMAGE, "label": None}, "'label' as None, not int32"),
        ({"image": IMAGE, "label": "one"}, "'label' as a str, not int32"),
        ({"image": IMAGE, "label": 2}, "the 'label' 2: classes are 0 to 1"),
        ({"image": IMAGE, "label": -1}, "the 'label' -1: classes are 0 to 1"),
        ({"image": IMAGE, "label": np.array(2, np.int32)}, "the 'label' 2: classes are 0 to 1"),
        ({"image": IMAGE}, "returned no 'label'"),
        ({"image": IMAGE, "label": 1, "mask": IMAGE}, "'mask', which arrays() does not name"),
        (None, "returned None, not a dict of arrays"),
        ((IMAGE, 1), "returned a tuple, not a dict of arrays"),
    ],
)  # fmt: skip
def test_a_sample_that_is_not_what_the_task_says(value: Any, says: str) -> None:
    with pytest.raises(TaskError, match=re.escape(says)) as raised:
        samples(own()).check(value, "sample", "train/even/004.txt")
    assert str(raised.value).startswith("task number: sample() of train/even/004.txt returned ")


@pytest.mark.parametrize("label", [1, True, np.int32(1), np.array(1, np.int32)])
def test_numbers_that_can_be_stored_as_they_are(label: Any) -> None:
    assert samples(own()).check({"image": IMAGE, "label": label}, "sample", "x") == [IMAGE, label]


def test_a_block_is_checked_as_a_whole() -> None:
    good = {"image": np.zeros((3, 4, 4), np.float32), "label": np.array([0, 1, 0], np.int32)}
    samples(own()).check(good, "block", "x", (3,))
    for bad, says in [
        ({"label": np.array([0, 5, 0], np.int32)}, "the 'label' 5"),
        ({"label": np.int32(1)}, r"'label' as int32, not int32\[3\]"),
        ({"image": IMAGE}, r"'image' as float32\[4, 4\], not float32\[3, 4, 4\]"),
    ]:
        with pytest.raises(TaskError, match=rf"block\(\) of x returned {says}"):
            samples(own()).check(good | bad, "block", "x", (3,))


def test_labels_mean_classes_only_where_the_model_is_taught_classes() -> None:
    sample = {"image": IMAGE, "label": 9}
    mean_squares, modelled = own(), own(build_model=object())
    type(mean_squares).loss = "mse"
    for task in (mean_squares, modelled):
        assert samples(task).check(sample, "sample", "x") == [IMAGE, 9]
