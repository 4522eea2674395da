"""Figures are of the records whose true label is known, and say which classes are confused."""

from __future__ import annotations

import numpy as np

from pushfit.predicting.figures import SHOWN, accuracy, class_table, confusion, counts, distribution


def test_figures_are_of_the_records_whose_labels_are_known() -> None:
    labels, truth = np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0])
    assert accuracy(labels, truth) == 0.75
    assert confusion(labels, truth, 2) == [[2, 1], [0, 1]]
    some = np.array([-1, 1, 0, -1])
    assert accuracy(labels, some) == 0.5
    assert confusion(labels, some, 2) == [[0, 1], [0, 1]]
    assert accuracy(labels, np.full(4, -1)) is None
    assert confusion(labels, np.full(4, -1), 2) is None


def test_each_class_has_a_row_with_what_it_was_taken_for() -> None:
    confused = [[8, 1, 1, 0, 2], [0, 4, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 0, 2], [0, 0, 0, 0, 1]]
    assert class_table(confused, ("a", "bb", "c", "d", "e")) == [
        "  class  records    right  accuracy  taken for",
        "  a           12        8    66.67%  e 2, bb 1, c 1",
        "  bb           4        4   100.00%",
        "  d            5        0     0.00%  e 2, a 1, bb 1",
        "  e            1        1   100.00%",
    ]


def test_of_many_classes_the_worst_are_shown() -> None:
    count = SHOWN + 5
    confused = (np.eye(count, dtype=int) * np.arange(1, count + 1)).tolist()
    confused[3][0], confused[17][0] = 12, 2  # 4 of 16 and 18 of 20 are right
    lines = class_table(confused, [f"c{number}" for number in range(count)])
    assert lines[0] == "The 20 classes with the lowest accuracy:"
    assert [line.split()[0] for line in lines[2:5]] == ["c3", "c17", "c0"]
    assert len(lines) == 2 + SHOWN


def test_how_often_each_class_is_the_answer() -> None:
    found = counts(np.array([2, 0, 2, 2]), ("a", "b", "c"))
    assert found == {"a": 1, "b": 0, "c": 3}
    assert distribution(found) == "Predictions: a 1, b 0, c 3"
    many = counts(np.array([7] * 1200 + [3] * 5), [str(number) for number in range(100)])
    line = distribution(many)
    assert line.startswith("Most frequent predictions: 7 1,200, 3 5, ")
    assert line.endswith(" … (100 classes, 98 of them never)")
