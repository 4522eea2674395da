"""Network hosts on this one machine: namespaces, a bridge between them, and faults to strike them.

    with Lab("gpu", "cpu-a", "cpu-b") as lab:
        start("sink_zmq.py", …, inside=lab["gpu"].inside)
        lab["cpu-a"].cut() … lab["cpu-a"].heal()

- A host is a process that sleeps in a network and a UTS namespace of its own, started by
  `unshare`; commands enter it with `nsenter`. The bridge stands in a namespace, too. Nothing is
  named in /run/netns and no address exists outside, so labs never meet, and when the sleepers
  end, all is gone. The kernel ends them with whoever made the lab, even by `kill -9`.
- A host may live in a time namespace: its monotonic clock is `clock` seconds ahead. The kernel has
  no such namespace for the wall clock, so `clocks/sitecustomize.py` moves that of Python processes.
- `heal` undoes every network fault of a host, and is safe to call at any time.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

TOOLS = ("ip", "tc", "iptables", "unshare", "nsenter", "setpriv")
NETWORK = "10.77.0"
CLOCKS = Path(__file__).parent / "clocks"


def why_not() -> str:
    """What keeps this machine from having hosts, or ``""``."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} missing: install iproute2, iptables and util-linux"
    tried = subprocess.run(["unshare", "--net", "--uts", "--time", "true"], capture_output=True)
    return "" if tried.returncode == 0 else f"unshare: {tried.stderr.decode().strip()}"


def _run(*words: object) -> str:
    """The output of a command that must succeed."""
    command = [str(word) for word in words]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


class _Sleeper:
    """A process that holds namespaces open."""

    def __init__(self, name: str, *flags: object) -> None:
        setup = f"hostname {name} && echo there && exec sleep infinity"
        words = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--uts", *map(str, flags)]
        self.process = subprocess.Popen([*words, "sh", "-c", setup], stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        if self.process.stdout.readline() != b"there\n":
            self.close()
            raise RuntimeError(f"cannot make host {name}")
        self.pid = self.process.pid

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


class Host:
    """One host of a lab. `inside`: what to put before a command to run it there.

    network: what `podman run --network` takes to put a container on it.
    """

    def __init__(self, lab: Lab, number: int, name: str, clock: int) -> None:
        self.name, self.address, self.clock = name, f"{NETWORK}.{number}", clock
        self._lab, self._port = lab, f"v{number}"
        ahead = ("--time", "--monotonic", clock, "--boottime", clock) if clock else ()
        self._sleeper = _Sleeper(name, *ahead)
        pid = self._sleeper.pid
        self.network = f"ns:/proc/{pid}/ns/net"
        enter = ("nsenter", "--target", str(pid), "--net", "--uts")
        moved = ("--time", "env", f"PYTHONPATH={CLOCKS}", f"FAULTS_CLOCK={clock}") if clock else ()
        self.inside: tuple[str, ...] = (*enter, *moved)
        self._undo: list[tuple[object, ...]] = []
        add = ("ip", "link", "add", self._port, "type", "veth", "peer", "name", "eth0")
        _run(*lab.bridge, *add, "netns", pid)
        _run(*lab.bridge, "ip", "link", "set", self._port, "master", "br0", "up")
        _run(*self.inside, "ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        for device in ("eth0", "lo"):
            _run(*self.inside, "ip", "link", "set", device, "up")

    def close(self) -> None:
        self._sleeper.close()

    # -- faults ---------------------------------------------------------------------------------

    def cut(self) -> None:
        """The cable is pulled: no carrier, and nothing comes or goes."""
        link = (*self._lab.bridge, "ip", "link", "set", self._port)
        self._undo.append((*link, "up"))
        _run(*link, "down")

    def partition(self) -> None:
        """Packets vanish both ways; the link looks well."""
        self._drop()

    def lose(self, share: float) -> None:
        """Each packet, either way, is lost with a probability of `share`."""
        self._drop("-m", "statistic", "--mode", "random", "--probability", share)

    def slow_link(self, rate: str, burst: str = "32kbit", latency: str = "400ms") -> None:
        """What the host sends goes out at `rate`, as tc writes it: 1mbit.

        burst: at a gigabit it must be about a megabyte, or the rate is not reached.
        latency: how long a packet may wait in the queue before it is dropped.
        """
        queue = (*self.inside, "tc", "qdisc")
        self._undo.append((*queue, "delete", "dev", "eth0", "root"))
        bucket = ("tbf", "rate", rate, "burst", burst, "latency", latency)
        _run(*queue, "add", "dev", "eth0", "root", *bucket)

    def heal(self) -> None:
        while self._undo:
            _run(*self._undo.pop())

    def _drop(self, *which: object) -> None:
        """Drop packets at the receiving ends: where they are sent, that would be an error."""
        coming = ("-i", "eth0", *which, "-j", "DROP")
        going = ("-i", "eth0", "-s", self.address, *which, "-j", "DROP")
        others = [host for host in self._lab.hosts.values() if host is not self]
        for host, rule in [(self, coming), *((other, going) for other in others)]:
            table = (*host.inside, "iptables", "--wait")
            self._undo.append((*table, "--delete", "INPUT", *rule))
            _run(*table, "--append", "INPUT", *rule)

    def dropped(self) -> int:
        """Packets that this host's rules have dropped on their way in."""
        rules = _run(*self.inside, "iptables", "--wait", "-nvxL", "INPUT")
        return sum(map(int, re.findall(r"^\s*(\d+)\s+\d+\s+DROP", rules, re.MULTILINE)))


class Lab:
    """Hosts by name, on one network. Context manager. `clocks`: {name: seconds ahead}."""

    def __init__(self, *names: str, clocks: dict[str, int] | None = None) -> None:
        self._names, self._clocks = names, clocks or {}
        self.hosts: dict[str, Host] = {}

    def __enter__(self) -> Lab:
        self._sleeper = _Sleeper("bridge")
        self.bridge = ("nsenter", "--target", str(self._sleeper.pid), "--net")
        try:
            _run(*self.bridge, "ip", "link", "add", "br0", "type", "bridge")
            _run(*self.bridge, "ip", "link", "set", "br0", "up")
            for number, name in enumerate(self._names, 1):
                self.hosts[name] = Host(self, number, name, self._clocks.get(name, 0))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def close(self) -> None:
        for host in self.hosts.values():
            host.close()
        self._sleeper.close()
