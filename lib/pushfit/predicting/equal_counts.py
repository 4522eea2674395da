"""The most probable answers among those that name every class equally often. Pure.

If the test set is known to have as many records of each class (as Kaggle's camera test set does),
this gains a few per cent. It is the transportation problem, solved exactly by successive shortest
paths:

- Every record begins with its most probable class. Some classes then have too many records, others
  too few.
- A graph has an edge from class c to class d. Its length is the cost of moving the cheapest record
  from c to d. One record is moved along each edge of a shortest path from a class with too many to
  one with too few. The total cost is then still the least for the new counts.
- If the records cannot be divided evenly, some classes get one more. An additional node of the
  graph hands out these extra places: a class can take one, or give it back, without cost.

Costs are whole numbers, so that sums are exact and rounding cannot make a negative cycle.
"""

from __future__ import annotations

import numpy as np

LEAST = 1e-12  # lower probabilities count as this
SCALE = 1e9  # a cost is the negative logarithm times this, rounded
FAR = 2**60  # the length of a missing edge


def equal_counts(probabilities: np.ndarray) -> np.ndarray:
    """(records,) int64: the most probable labels in which class counts differ by at most one.

    probabilities: (records, classes).
    """
    logs = np.log(np.maximum(probabilities, LEAST, dtype=np.float64))
    assignment = _Assignment(np.rint(logs * -SCALE).astype(np.int64))
    while assignment.improve():
        pass
    return assignment.labels


class _Assignment:
    """An assignment of classes to records. cost: (records, classes) int64."""

    def __init__(self, cost: np.ndarray) -> None:
        self._cost = cost
        records, classes = cost.shape
        self.labels: np.ndarray = cost.argmin(axis=1)
        self._places = classes  # the node that hands out the extra places
        self._excess = np.bincount(self.labels, minlength=classes + 1) - records // classes
        self._excess[self._places] = -(records % classes)
        self._length = np.full((classes + 1, classes + 1), FAR)
        self._length[:classes, self._places] = 0
        self._cheapest = np.zeros((classes, classes), np.int64)  # the record that each edge moves
        for label in range(classes):
            self._measure(label)

    def improve(self) -> bool:
        """Move a record out of a class with too many. Returns False if there is no such class."""
        start = int(self._excess.argmax())
        if self._excess[start] <= 0:
            return False
        distance, before = self._distances(start)
        lacking = self._excess < 0
        end = int(np.where(lacking, distance, FAR).argmin())
        self._excess[start] -= 1
        self._excess[end] += 1
        path = [end]
        while path[-1] != start:
            path.append(int(before[path[-1]]))
        edges = [(path[i + 1], path[i]) for i in range(len(path) - 1)]
        for source, target in edges:
            if self._places in (source, target):
                self._length[source, target], self._length[target, source] = FAR, 0
            else:  # the edges start at different classes, so each record moves once
                self.labels[self._cheapest[source, target]] = target
        for label in path:
            if label != self._places:
                self._measure(label)
        return True

    def _distances(self, start: int) -> tuple[np.ndarray, np.ndarray]:
        """(length of the shortest path to each node, the node before it), by Bellman and Ford."""
        distance = np.full(len(self._length), FAR)
        distance[start] = 0
        before = np.zeros(len(distance), np.int64)
        while True:
            so_far = distance[:, np.newaxis]
            through = np.where((so_far < FAR) & (self._length < FAR), so_far + self._length, FAR)
            shorter = through.min(axis=0) < distance
            if not shorter.any():
                return distance, before
            before[shorter] = through.argmin(axis=0)[shorter]
            distance = np.minimum(distance, through.min(axis=0))

    def _measure(self, label: int) -> None:
        """Compute the lengths of the edges from `label` to every other class."""
        classes = self._places
        members = np.flatnonzero(self.labels == label)
        self._length[label, :classes] = FAR
        if len(members):
            more = self._cost[members] - self._cost[members, label][:, np.newaxis]
            least = more.argmin(axis=0)
            self._length[label, :classes] = more[least, np.arange(classes)]
            self._cheapest[label] = members[least]
        self._length[label, label] = FAR
