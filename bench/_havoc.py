"""A live fleet around a trainer, and the hands that strike it.

Each host has as many generators as it wants, and one that is gone is replaced.
`strike` does what an event says, `do_KIND` for each kind; what it has to undo it undoes in `tick`.

**The witness**: while a host's photos are not what they were, or a liar is there, one other host is
spared: where nobody else can tell, a trainer has to believe who says that a photo cannot be read.
"""

from __future__ import annotations

import heapq
import itertools
import random
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench._copies import Copy, Undo
from bench._schedule import Event
from bench.lab.hosts import Host
from bench.lab.processes import Script, Starter
from pushfit.wire.keys import KeyFolder

PER_HOST, MOST = 2, 3  # generators of a host at the start, and with those that join
RESTART_SECONDS = 0.5  # from the end of a generator to the start of the next
LOSS, RATE = 0.01, "8mbit"
PERIOD, SHARE = 0.5, 0.1  # seconds; of which a slow generator runs this share
PHOTOS = 4  # that a fault of a host's photos strikes
STEADY_SECONDS = 4.0  # after its start, a generator has joined


class Strike:
    """A fault that struck. Recovery counts from `counted`, see `bench.chaos`.

    until: when it ended, of those that strike whatever is granted while they are on.
    """

    def __init__(self, kind: str, now: float) -> None:
        self.kind, self.struck = kind, now
        self.counted: float | None = now
        self.until: float | None = None


class Place:
    """A host, or with `host` None this very machine, and the generators on it.

    links: the host's own way to its copy of the data, a mount that may go.
    key: the file of its key.
    """

    def __init__(self, host: Host | None, links: Path, copy: Copy, key: Path) -> None:
        self.links, self.copy, self.key = links, copy, key
        self.mount()
        self.inside = host.inside if host else ()
        self.host = host
        self.want, self.not_before = PER_HOST, 0.0
        self.troubled = False  # a network fault is on
        self.scripts: list[Script] = []

    def mount(self) -> None:
        self.links.symlink_to(self.copy.path)

    def unmount(self) -> bool:
        """False where it is away already."""
        there = self.links.is_symlink()
        self.links.unlink(missing_ok=True)
        return there


class Fleet:
    """`at`: the trainer's address and port, as generators see them; `keys`: whom it admits."""

    def __init__(
        self,
        start: Starter,
        places: Sequence[Place],
        trainer: Script,
        at: tuple[str, int],
        keys: KeyFolder,
    ) -> None:
        self.places, self.trainer, self.strikes = list(places), trainer, list[Strike]()
        self.liars: list[Script] = []
        self._start, self._at, self._keys = start, at, keys
        self._witness: Place | None = None
        self._lying: tuple[Script, Strike] | None = None  # the liar of the moment
        self._stopped: set[int] = set()
        self._slow: set[int] = set()
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    # -- the course of things ---------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Undo what is due, replace who is gone, let slow ones crawl."""
        while self._later and self._later[0][0] <= now:
            heapq.heappop(self._later)[2]()
        for place in self.places:
            alive = [script for script in place.scripts if script.process.poll() is None]
            if len(alive) < len(place.scripts):
                place.scripts = alive
                place.not_before = max(place.not_before, now + RESTART_SECONDS)
            while len(place.scripts) < place.want and now >= place.not_before:
                place.scripts.append(self._generator(place))
        if self._lying and self._lying[0].process.poll() is not None:
            self._lying[1].until = now
            self._lying = self._witness = None
        for pid in list(self._slow):
            script = self._find(pid)
            if script is None:
                self._slow.discard(pid)
            elif now % PERIOD < PERIOD * SHARE:
                script.send(signal.SIGCONT)
            else:
                script.send(signal.SIGSTOP)

    def settle(self) -> None:
        """No more faults: undo all that are on, and have every host's generators back."""
        while self._later:
            heapq.heappop(self._later)[2]()
        for place in self.places:
            place.not_before = 0.0
        self.tick(time.monotonic())

    def _generator(self, place: Place) -> Script:
        host, port = self._at
        flags = ("--connect", f"tcp://{host}:{port}", "--links", place.links, "--key", place.key)
        words = ("generator_zmq.py", *flags, "--log", "warnings")
        return self._start(*words, inside=place.inside)

    def _find(self, pid: int) -> Script | None:
        running = (script for place in self.places for script in place.scripts)
        return next((s for s in running if s.pid == pid and s.process.poll() is None), None)

    def _undo_in(self, seconds: float, undo: Callable[[], None]) -> None:
        entry = time.monotonic() + seconds, next(self._numbers), undo
        heapq.heappush(self._later, entry)

    # -- faults -----------------------------------------------------------------------------------

    def strike(self, event: Event) -> bool:
        """Do what `event` says. Returns False where there is nobody to strike."""
        strike = Strike(event.kind, time.monotonic())
        if not getattr(self, f"do_{event.kind}")(event, strike):
            return False
        self.strikes.append(strike)
        return True

    def _exposed(self) -> list[Place]:
        """Hosts that may be struck."""
        return [place for place in self.places if place is not self._witness]

    def _place(self, event: Event) -> Place:
        exposed = self._exposed()
        return exposed[int(event.choice * len(exposed))]

    def _well(self) -> list[tuple[Place, Script]]:
        """Generators that run, at their own speed, with their place."""
        ill = self._stopped | self._slow
        pairs = [(place, script) for place in self._exposed() for script in place.scripts]
        return [(p, s) for p, s in pairs if s.pid not in ill and s.process.poll() is None]

    def _one(self, event: Event, least: int = 1) -> tuple[Place, Script] | None:
        """A generator, while there are at least so many."""
        well = self._well()
        return well[int(event.choice * len(well))] if len(well) >= least else None

    def _signalled(self, event: Event, number: signal.Signals) -> bool:
        if chosen := self._one(event):
            chosen[1].send(number)
        return chosen is not None

    def do_kill(self, event: Event, strike: Strike) -> bool:
        return self._signalled(event, signal.SIGKILL)

    def do_leave(self, event: Event, strike: Strike) -> bool:
        """SIGTERM: it hands back what it has not begun. Its host wants one less, if it can."""
        if chosen := self._one(event):
            chosen[0].want = max(1, chosen[0].want - 1)
            chosen[1].send(signal.SIGTERM)
        return chosen is not None

    def do_join(self, event: Event, strike: Strike) -> bool:
        free = [place for place in self.places if place.want < MOST]
        if free:
            free[int(event.choice * len(free))].want += 1
        return bool(free)

    def do_kill_host(self, event: Event, strike: Strike) -> bool:
        place = self._place(event)
        for script in place.scripts:
            script.send(signal.SIGKILL)
        return bool(place.scripts)

    def do_nobody(self, event: Event, strike: Strike) -> bool:
        """All die; the next ones come when the fault is over, and from there recovery counts."""
        if self._witness is not None:
            return False
        strike.counted = time.monotonic() + event.lasts
        for place in self.places:
            place.not_before = strike.counted
            for script in place.scripts:
                script.send(signal.SIGKILL)
        return True

    def do_stop(self, event: Event, strike: Strike) -> bool:
        chosen = self._one(event, least=2)
        if chosen is None:
            return False
        chosen[1].send(signal.SIGSTOP)
        self._ill_for(event.lasts, chosen[1], self._stopped)
        return True

    def do_slow(self, event: Event, strike: Strike) -> bool:
        if chosen := self._one(event, least=2):
            self._ill_for(event.lasts, chosen[1], self._slow)
        return chosen is not None

    def _ill_for(self, seconds: float, script: Script, among: set[int]) -> None:
        """Keep the generator in `among` for `seconds`; then it runs at its own speed."""
        among.add(script.pid)

        def resume() -> None:
            among.discard(script.pid)
            if script.process.poll() is None:
                script.send(signal.SIGCONT)

        self._undo_in(seconds, resume)

    def do_stop_trainer(self, event: Event, strike: Strike) -> bool:
        """Nothing can recover while it stands still: recovery counts from where it continues."""
        if any(other.counted is None for other in self.strikes):
            return False  # it stands still already
        strike.counted = None
        self.trainer.send(signal.SIGSTOP)

        def resume() -> None:
            strike.counted = time.monotonic()
            self.trainer.send(signal.SIGCONT)

        self._undo_in(event.lasts, resume)
        return True

    def do_garbage(self, event: Event, strike: Strike) -> bool:
        place = self._place(event)
        seed = int(event.choice * 2**32)
        key = self._another_key("stranger")
        words = ("-m", "bench._strangers", *self._at, event.lasts, seed, key)
        self._start(*words, inside=place.inside)
        return True

    def do_data(self, event: Event, strike: Strike) -> bool:
        """A host's data goes away, and comes back."""
        place = self._place(event)
        if not place.unmount():
            return False
        self._undo_in(event.lasts, place.mount)
        return True

    def _on_network(self, event: Event, fault: Callable[[Host], None]) -> bool:
        """One host always stays untroubled: a fleet that is cut off as a whole is `nobody`."""
        if sum(not place.troubled for place in self.places) < 2:
            return False
        free = [place for place in self._exposed() if place.host and not place.troubled]
        if not free:
            return False
        place = free[int(event.choice * len(free))]
        host = place.host
        assert host is not None
        place.troubled = True
        fault(host)

        def heal() -> None:
            place.troubled = False
            host.heal()

        self._undo_in(event.lasts, heal)
        return True

    def do_cut(self, event: Event, strike: Strike) -> bool:
        return self._on_network(event, Host.cut)

    def do_partition(self, event: Event, strike: Strike) -> bool:
        return self._on_network(event, Host.partition)

    def do_loss(self, event: Event, strike: Strike) -> bool:
        return self._on_network(event, lambda host: host.lose(LOSS))

    def do_slow_link(self, event: Event, strike: Strike) -> bool:
        return self._on_network(event, lambda host: host.slow_link(RATE))

    # -- who lies, and photos that are not what they were ------------------------------------------

    def do_lie(self, event: Event, strike: Strike) -> bool:
        """A client with a key of its own takes part, and lies until it is put out."""
        place = self._place(event)
        if not self._find_witness(place):
            return False
        words = ("-m", "bench._liar", *self._at, self._another_key("liar"))
        liar = self._start(*words, int(event.choice * 2**32), inside=place.inside)
        self._lying = liar, strike
        self.liars.append(liar)
        return True

    def _another_key(self, name: str) -> Path:
        return self._keys.make(f"{name}-{next(self._numbers)}")

    def do_hang_file(self, event: Event, strike: Strike) -> bool:
        """A photo of one host keeps whoever opens it waiting."""

        def hang(copy: Copy, photos: list[Path]) -> Undo:
            return copy.hang(photos[0])

        return self._spoil(event, strike, hang) is not None

    def do_replace_files(self, event: Event, strike: Strike) -> bool:
        """Some photos of one host are others, of other sizes."""
        return self._spoil(event, strike, Copy.replace) is not None

    def do_read_error_slow_host(self, event: Event, strike: Strike) -> bool:
        """One host cannot read some photos, and another one, not the witness, is slow."""
        struck = self._spoil(event, strike, Copy.take_away)
        for place, script in self._well() if struck else ():
            if place is not struck:
                self._ill_for(event.lasts, script, self._slow)
        return struck is not None

    def _spoil(
        self, event: Event, strike: Strike, fault: Callable[[Copy, list[Path]], Undo]
    ) -> Place | None:
        """Strike photos of a host; returns it, or None where no other could be the witness."""
        place = self._place(event)
        if not self._find_witness(place):
            return None
        first = random.Random(event.choice).random()  # another than the one that chose the host
        undo = fault(place.copy, place.copy.some(first, PHOTOS))

        def mend() -> None:
            undo()
            self._witness, strike.until = None, time.monotonic()

        self._undo_in(event.lasts, mend)
        return place

    def _find_witness(self, struck: Place) -> bool:
        """Spare a host beside `struck` that is well.

        False where none is, or where one is spared already.
        """
        if self._witness is not None:
            return False
        steady = time.monotonic() - STEADY_SECONDS
        well = [place for place, script in self._well() if script.started < steady]
        for place in well:
            if place is not struck and place.links.is_symlink() and not place.troubled:
                self._witness = place
                return True
        return False
