"""The least memory that the mixing of a plan needs. Pure."""

from __future__ import annotations

from pushfit.errors import ConfigError
from pushfit.plan.order import Plan


def moving(plan: Plan, budget: int) -> int:
    """Bytes of `budget` that the window of mixing never uses."""
    each = (plan.window_of(segment) * segment.visit_bytes for segment in plan.segments.epoch)
    return budget - max(each, default=0)


def check(plan: Plan, budget: int) -> None:
    """Raise ConfigError if `budget` bytes cannot hold the window and the leases under way."""
    for segment in plan.segments.epoch:
        need = (plan.window_of(segment) + 3) * segment.visit_bytes
        if need > budget:
            kib = 2**10
            raise ConfigError(
                f"--buffer {budget // kib:,} KiB is too small: mixing over "
                f"{plan.window} visits of {segment.visit_bytes // kib:,} KiB needs "
                f"{-(-need // kib):,} KiB. Give --buffer {-(-need // kib)}KiB or more, "
                "or lower --mix-visits, --patches-per-visit or --patch."
            )
