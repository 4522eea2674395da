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
                f"--buffer {budget // kib:,} KiB is too small: mixing over {plan.window} visits of "
                f"{segment.visit_bytes // kib:,} KiB{_of_shards(plan)} needs {-(-need // kib):,} "
                f"KiB. Give --buffer {-(-need // kib)}KiB or more, or lower --mix-visits, "
                "--patches-per-visit or --patch."
            )


def _of_shards(plan: Plan) -> str:
    """What else is held, in words, where a batch has the samples of several shards."""
    each = plan.shards.each
    return f", and a batch of {each} shards," if each > 1 else ""
