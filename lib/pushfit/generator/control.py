"""The callbacks of whoever makes samples: it announces its work, and lets its caller do things."""

from __future__ import annotations

from pushfit.wire.protocol import Grant


class Control:
    """The callbacks of a maker: it announces its work, and lets its caller do other things."""

    def begin(self, grant: Grant, record: int, path: str) -> None:
        """Called before the maker touches a record."""

    def pause(self) -> None:
        """Called between samples, and while the maker waits for a file."""
