"""How much memory the mixing of a plan needs at least. Pure."""

from __future__ import annotations

from lib.errors import ConfigError
from lib.plan.order import Plan, Segment


def window(plan: Plan, segment: Segment) -> int:
    """Visits of `segment` that mixing keeps open at once."""
    return plan.window if segment.patches > 1 else 0


def check(plan: Plan, budget: int) -> None:
    """Raise ConfigError where `budget` bytes cannot hold the window and what is to move in it."""
    for segment in plan.segments.epoch:
        need = (window(plan, segment) + 3) * segment.visit_bytes
        if need > budget:
            kib = 2**10
            raise ConfigError(
                f"--buffer {budget // kib:,} KiB is too small: mixing over "
                f"{plan.window} visits of {segment.visit_bytes // kib:,} KiB needs "
                f"{-(-need // kib):,} KiB. Give --buffer {-(-need // kib)}KiB or more, "
                "or lower --mix-visits, --patches-per-visit or --patch."
            )
