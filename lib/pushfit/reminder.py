"""When to report a state: when it changes, and then rarely. Pure: `now` is an argument."""

from __future__ import annotations

from collections import OrderedDict

AGAIN_SECONDS = (60.0, 600.0, 3600.0)  # intervals between reports of one state; the last repeats
MOST = 1000  # states that are remembered


class Reminder:
    """Remembers, for each peer of a process, what people were last told about it."""

    def __init__(self) -> None:
        self._said: OrderedDict[str, tuple[str, float, int]] = OrderedDict()

    def due(self, who: str, what: str, now: float) -> bool:
        """Return whether to report `what` about `who`: it is news, or it is time to repeat it."""
        said, at, times = self._said.get(who, ("", now, 0))
        if said == what:
            if now - at < AGAIN_SECONDS[min(times, len(AGAIN_SECONDS)) - 1]:
                return False
        else:
            times = 0
        self._said[who] = what, now, times + 1
        self._said.move_to_end(who)
        if len(self._said) > MOST:
            self._said.popitem(last=False)
        return True

    def over(self, who: str) -> None:
        """Forget the state of `who`: if it comes again, it is news."""
        self._said.pop(who, None)
