"""A key that lies, under as many names as it likes, beside an honest one: over real sockets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from pushfit.wire import protocol as wire
from pushfit.wire.admission import Admission
from pushfit.wire.keys import GeneratorKey, KeyFolder, read_secret
from tests.support.rig import DEADLINE, Rig, Stranger, assert_clean, until


class Liar:
    """Joins, says of each lease what `lie` makes of it, until it is rejected; under many names."""

    def __init__(self, rig: Rig, key: GeneratorKey, lie: str) -> None:
        self._rig, self._key, self._lie = rig, key, lie
        self.lies, self.rejected = 0, ""
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        end = time.monotonic() + DEADLINE
        for number in count():
            stranger = Stranger(self._rig, f"liar-{number}", self._key)
            try:
                stranger.joins(self._rig.task.scan(self._rig.links))
                while not isinstance(message := stranger.hears(), wire.Reject):
                    if isinstance(message, wire.Grants):
                        self._answer(stranger, message.grants)
                        if self._lie == "break off":
                            break
                else:
                    self.rejected = message.reason
            except AssertionError:  # rejected at its hello, where a welcome was awaited
                self.rejected = "at hello"
            finally:
                stranger.close()
            if self.rejected or time.monotonic() > end:
                return

    def _answer(self, stranger: Stranger, grants: list[wire.Grant]) -> None:
        for grant in grants:
            self.lies += 1
            record = grant.records[0]
            if self._lie == "unreadable":
                stranger.say(
                    wire.encode(
                        wire.Fail(
                            run="run", lease=grant.lease, fence=grant.fence, record=record,
                            path="p", reason="p: it says", retry=True,
                        )
                    )
                )  # fmt: skip
            elif self._lie == "bad":
                self._push(stranger, grant)
            elif grant.careful:
                announced = wire.Heartbeat(
                    run="run", doing="p", lease=grant.lease, record=record, ask=True
                )
                stranger.say(wire.encode(announced))

    def _push(self, stranger: Stranger, grant: wire.Grant) -> None:
        task = self._rig.task
        files = task.scan(self._rig.links).splits[grant.split]
        rows = len(grant.records) * {"train": 3, "val": 1}[grant.split]
        header = wire.Data(
            run="run", generator=stranger.name, lease=grant.lease, fence=grant.fence,
            first=grant.first, count=len(grant.records), arrays=task.arrays(),
            stages=wire.Stages(),
            bad=[
                wire.Bad(grant.first + at, record, files[record].path, "it says", instead="q")
                for at, record in enumerate(grant.records)
            ],
        )  # fmt: skip
        frames = [memoryview(bytes(rows * spec.nbytes)) for spec in task.arrays()]
        until(lambda: stranger.sockets.push(wire.encode(header), frames, 0.1))

    def join(self) -> None:
        self._thread.join()


@pytest.mark.parametrize("lie", ["unreadable", "bad", "break off"])
def test_a_key_that_lies_costs_no_record_and_is_refused_for_the_run(
    rig: Callable[..., Rig], tmp_path: Path, caplog: pytest.LogCaptureFixture, lie: str
) -> None:
    folder = KeyFolder(tmp_path / "keys", make=True)
    honest, liars = (read_secret(folder.make(name), GeneratorKey) for name in ("good", "liar"))
    one = rig(admission=Admission(folder), epochs=60)
    feed, exchange = one.feed(), one.dispatcher.exchange
    one.worker(key=honest)
    until(lambda: exchange.generators == 1)
    liar = Liar(one, liars, lie)
    for _ in feed.all():
        told, until_then = liar.lies, time.monotonic() + 0.3
        while not liar.rejected and liar.lies == told and time.monotonic() < until_then:
            time.sleep(0.001)
    liar.join()
    assert_clean(feed.audit())
    assert liar.rejected and exchange.faults["put_out"] == 1
    assert not one.rows and exchange.leases is not None and not exchange.leases.given_up
    said = [line for line in caplog.messages if line.startswith("the key liar has lost")]
    assert len(said) == 1
    again = Stranger(one, "another-name", liars)
    again.say(wire.encode(next(p.hello for p in exchange.roster.peers.values() if p.hello)))
    refused = again.hears()
    assert isinstance(refused, wire.Reject) and "refused for the rest of this run" in refused.reason
    again.close()


def test_without_keys_an_identity_is_the_address_of_its_connection(rig: Callable[..., Rig]) -> None:
    one = rig()
    stranger = Stranger(one, "known")
    stranger.joins(one.task.scan(one.links))
    assert isinstance(stranger.hears(), wire.Grants)
    assert one.dispatcher.exchange.roster.peers["known"].who == "the address 127.0.0.1"
    stranger.close()
