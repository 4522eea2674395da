"""A state is said when it changes, and then rarely."""

from __future__ import annotations

from pushfit.reminder import MOST, Reminder


def test_news_is_said_and_the_same_again_rarely() -> None:
    reminder, seconds = Reminder(), range(0, 3 * 3600, 2)
    said = [second for second in seconds if reminder.due("gpu", "refused", float(second))]
    assert said == [0, 60, 660, 4260, 7860]


def test_each_has_a_state_of_its_own_and_another_one_is_news() -> None:
    reminder = Reminder()
    assert reminder.due("a", "refused", 0.0) and reminder.due("b", "refused", 0.0)
    assert not reminder.due("a", "refused", 1.0)
    assert reminder.due("a", "silent", 2.0) and reminder.due("a", "refused", 3.0)
    reminder.over("a")
    assert reminder.due("a", "refused", 4.0)


def test_it_remembers_so_many_and_no_more() -> None:
    reminder = Reminder()
    for number in range(3 * MOST):
        assert reminder.due(str(number), "refused", 0.0)
    assert len(reminder._said) == MOST
