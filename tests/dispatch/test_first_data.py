"""A trainer without data takes the first generator's data set, once a lease of it has come."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec
import pytest

from pushfit.tasks.base import DataSet
from pushfit.wire import protocol as wire
from tests.support.rig import Rig, Stranger, assert_clean, until


def other(one: Rig) -> DataSet:
    """A data set of the same records, with other classes."""
    return msgspec.structs.replace(one.task.scan(one.links), classes=("x", "y", "z"))


@pytest.mark.parametrize("goes", ["breaks off", "says bye"])
def test_who_goes_without_a_good_lease_takes_its_data_set_along(
    rig: Callable[..., Rig], caplog: pytest.LogCaptureFixture, goes: str
) -> None:
    one = rig(own=False)
    exchange = one.dispatcher.exchange
    stranger = Stranger(one)
    stranger.joins(other(one))
    granted = stranger.hears()
    assert isinstance(granted, wire.Grants)
    assert exchange.roster.reference is not None and not exchange.settled
    if goes == "says bye":
        held = [grant.lease for grant in granted.grants]
        stranger.say(wire.encode(wire.Bye(run="run", unstarted=held)))
    else:
        stranger.close()
    until(lambda: exchange.roster.reference is None)
    assert "far (pid 1), whose data set was to be the run's, left" in caplog.text
    one.worker()
    assert_clean(one.drained())
    assert exchange.roster.reference is not None
    assert exchange.roster.reference.classes == ("even", "odd")
    assert len(exchange.roster.reference.listing) == 15  # it came with the second as well
    if goes == "says bye":
        stranger.close()


def test_a_data_set_stays_once_a_lease_of_it_has_come(rig: Callable[..., Rig]) -> None:
    one = rig(own=False)
    exchange = one.dispatcher.exchange
    worker = one.worker()
    feed = one.feed()
    assert exchange.settled
    worker.stop()
    one.stopped.append(worker)
    until(lambda: not exchange.generators)
    stranger = Stranger(one)
    stranger.joins(other(one))
    assert isinstance(stranger.hears(), wire.Reject)
    stranger.close()
    one.worker()
    for _ in feed.all():
        pass
    assert_clean(feed.audit())


def test_nothing_is_built_on_a_data_set_before_a_lease_of_it_has_come(
    rig: Callable[..., Rig],
) -> None:
    one = rig(own=False)
    stranger = Stranger(one)
    stranger.joins(other(one))
    assert isinstance(stranger.hears(), wire.Grants)
    built = threading.Thread(target=one.dispatcher.reference, args=(lambda text: None,))
    built.start()
    built.join(0.3)
    assert built.is_alive()
    stranger.close()
    until(lambda: one.dispatcher.exchange.leases is None)
    one.worker()
    built.join(20)
    assert not built.is_alive() and one.dispatcher.exchange.settled
    assert_clean(one.drained())
