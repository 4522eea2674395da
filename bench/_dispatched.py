"""The trainer's end of a run without a model: the real Dispatcher, over samples that are ready."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from bench._ready import STAND_IN
from pushfit import tasks
from pushfit.dispatch.dispatcher import Dispatcher
from pushfit.dispatch.exchange import Exchange
from pushfit.dispatch.job import Job
from pushfit.endpoint import Endpoint
from pushfit.feed.source import Delivery, Reference
from pushfit.plan.leases import Leases
from pushfit.plan.order import Plan, SplitOrder
from pushfit.tasks import compatibility
from pushfit.tasks.base import ArraySpec, DataSet
from pushfit.wire.admission import Admission
from pushfit.wire.protocol import MAX_CONTROL_BYTES
from pushfit.wire.trainer_sockets import TrainerSockets

MIB = 2**20
DONE = "the bench is over"


def open_dispatcher(
    specs: tuple[ArraySpec, ...],
    data: DataSet,
    *,
    lease_bytes: int,
    budget: int = 512 * MIB,
    patches: int = 1,
    visits: int = 0,
    epochs: int = 1,
    window: int = 0,
    exact: bool = True,
    expiry: float = 30.0,
    compress: Literal["none", "auto", "zstd"] = "none",
    data_total: int = 2**32,
    bind: Endpoint = Endpoint("127.0.0.1", 0),  # noqa: B008 (frozen)
    admission: Admission | None = None,
) -> tuple[Dispatcher, str]:
    """A dispatcher that waits for generators, and the address to which they connect.

    specs, data: what a sample is, and the records, which lie nowhere.
    patches, visits, epochs, window: of the plan; visits: of an epoch, 0: one pass of the records.
    The other arguments are as for `Plan`, `Leases`, `Job` and `TrainerSockets`.
    """
    job = Job(
        run="bench", task=STAND_IN, source=compatibility.source_of(tasks.load(STAND_IN)),
        params={}, seed=0,
        patches={"train": patches}, expiry=expiry, compress=compress,
    )  # fmt: skip
    sample = sum(spec.nbytes for spec in specs)

    def leases(reference: Reference) -> Leases:
        order = SplitOrder(tuple(reference.counts["train"]), patches, visits_per_epoch=visits)
        plan = Plan(0, epochs, {"train": order}, sample, window=window, exact=exact)
        return Leases(plan, budget=budget, lease_bytes=lease_bytes, expiry=expiry)

    most = max(2 * lease_bytes, sample * patches) + 2**16
    sockets = TrainerSockets(
        bind, 0, most, MAX_CONTROL_BYTES, data_total=data_total, admission=admission
    )
    dispatcher = Dispatcher(sockets, Exchange(sockets, job, specs, leases, own_data=data))
    dispatcher.start()
    return dispatcher, f"tcp://{bind.host}:{sockets.control_port}"


def deliveries(dispatcher: Dispatcher) -> Iterator[Delivery]:
    """Every lease; each is handed back when the next one is asked for."""
    for delivery in dispatcher.deliveries():
        yield delivery
        dispatcher.handed(delivery.lease)
