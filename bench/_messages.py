"""What a generator says on the wire, for clients that speak the protocol without being one."""

from __future__ import annotations

import os

from pushfit import __version__
from pushfit.tasks import compatibility
from pushfit.tasks.base import ArraySpec
from pushfit.wire import protocol as wire


def hello(host: str, slots: int) -> wire.Hello:
    libraries = compatibility.libraries()
    return wire.Hello(
        host=host, pid=os.getpid(), slots=slots, libraries=libraries, version=__version__
    )


def ready(
    welcome: wire.Welcome, classes: tuple[str, ...], counts: dict[str, list[int]], fingerprint: str
) -> wire.Ready:
    return wire.Ready(
        run=welcome.run, source=welcome.source, fingerprint=fingerprint, classes=classes,
        counts=counts,
    )  # fmt: skip


def result(
    welcome: wire.Welcome,
    name: str,
    grant: wire.Grant,
    specs: tuple[ArraySpec, ...],
    stages: wire.Stages | None = None,
) -> wire.Data:
    """The header of a whole lease from the generator `name`; its arrays follow it."""
    return wire.Data(
        run=welcome.run, generator=name, lease=grant.lease, fence=grant.fence, first=grant.first,
        count=len(grant.records), arrays=specs, stages=stages or wire.Stages(),
    )  # fmt: skip
