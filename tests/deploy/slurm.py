"""A Slurm of two nodes on this one machine: munge, the controller, and a daemon a node.

    with Slurm(folder) as slurm:
        job = slurm.submit("deploy/slurm/trainer.sbatch", environ={"PUSHFIT_OUT": …})
        slurm.wait(job, "COMPLETED")

- Nodes and controller are hosts of a lab (`bench/lab/hosts.py`): each has a network and a name
  of its own, and an /etc/hosts with the names of all, so jobs find each other as in a cluster.
- All that the daemons write lies in `folder`; their ports exist only in the lab's network.
- Leaving cancels the jobs and ends the daemons. What is left of either is found by the mark in its
  environment (`bench/lab/processes.py`).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from bench.lab import hosts
from bench.lab.hosts import Lab
from bench.lab.processes import LONG, MARK, ROOT, Starter, until

HEAD, NODES = "head", ("node-1", "node-2")
TOOLS = ("munged", "slurmctld", "slurmd", "sbatch", "scancel", "scontrol", "sinfo")
CORES = 4  # of a node, whatever the machine has

# No accounting, no control groups, no binding to cores: any machine can do that. A requeued job is
# not begun again for as long as its first credential is good for, so that is short.
CONF = """
ClusterName=test
SlurmctldHost={head}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdSpoolDir={folder}/spool-%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,batch_sched_delay=0
SlurmdParameters=config_overrides
KillWait=10
{nodes}
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=all Nodes=ALL Default=YES State=UP
PartitionName=urgent Nodes=ALL PriorityTier=2 State=UP
"""


def why_not() -> str:
    """What keeps this machine from having a Slurm, or ``""``."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} missing: install slurmctld, slurmd, slurm-client and munge"
    return hosts.why_not()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10.0)
    except subprocess.TimeoutExpired:  # slurmd waits for what its jobs do at their end
        process.kill()
        process.wait()


class Slurm:
    """Context manager. Entering returns when both nodes are idle."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mark = uuid.uuid4().hex
        self._left = ExitStack()
        self.environ = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf"), MARK: self._mark}

    def __enter__(self) -> Slurm:
        with ExitStack() as left:
            self.lab = left.enter_context(Lab(HEAD, *NODES))
            left.callback(Starter(self._mark).close)
            self._configure()
            self._daemon(left, HEAD, "munged", "--foreground", "--force", *self._munge())
            self._see((self.folder / "munge.socket").exists, "munged")
            self._daemon(left, HEAD, "slurmctld", "-D", "-i")
            for name in NODES:
                self._daemon(left, name, "slurmd", "-D", "-N", name)
            self._see(lambda: self._sinfo() == "2 idle", "slurmctld", *NODES)
            left.callback(self._cancel_all)
            self._left = left.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._left.close()

    # -- the daemons ----------------------------------------------------------------------------

    def _configure(self) -> None:
        lab, folder = self.lab, self.folder
        names = "".join(f"{host.address} {name}\n" for name, host in lab.hosts.items())
        (folder / "hosts").write_text("127.0.0.1 localhost\n" + names)
        nodes = "\n".join(
            f"NodeName={name} NodeAddr={lab[name].address} CPUs={CORES}" for name in NODES
        )
        head = f"{HEAD}({lab[HEAD].address})"
        conf = CONF.format(head=head, folder=folder, nodes=nodes)
        (folder / "slurm.conf").write_text(conf)
        (folder / "munge.key").touch(0o600)
        (folder / "munge.key").write_bytes(os.urandom(128))
        for name in ("state", *(f"spool-{name}" for name in NODES)):
            (folder / name).mkdir()

    def _munge(self) -> list[str]:
        files = ("socket", "key", "pid", "log", "seed")
        flags = ("--socket", "--key-file", "--pid-file", "--log-file", "--seed-file")
        return [
            f"{flag}={self.folder}/munge.{file}" for flag, file in zip(flags, files, strict=True)
        ]

    def _daemon(self, left: ExitStack, host: str, *words: str) -> None:
        """Start one on `host`, which sees our /etc/hosts; `left` ends it."""
        there = f'mount --bind {self.folder}/hosts /etc/hosts && exec "$@"'
        inside = (*self.lab[host].inside, "unshare", "--mount", "sh", "-c", there, "-")
        name = words[0] if host == HEAD else host
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *inside, *words],
                cwd=self.folder,
                env=self.environ,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        left.callback(_end, process)

    def _see(self, true: Callable[[], bool], *daemons: str) -> None:
        """Wait until `true()`; else fail with what the daemons said."""
        logs = [self.folder / f"{name}.log" for name in daemons]
        assert until(true, 30.0), "\n".join(log.read_text() for log in logs)

    def _sinfo(self) -> str:
        words = (*self.lab[HEAD].inside, "sinfo", "--partition=all", "-h", "--format=%D %t")
        done = subprocess.run(words, env=self.environ, capture_output=True, text=True)
        return done.stdout.strip()

    def _cancel_all(self) -> None:
        self.run("scancel", "--user=root")
        until(lambda: not self.run("squeue", "--noheader"), 10.0)

    # -- a user's side --------------------------------------------------------------------------

    def run(self, *words: object, environ: Mapping[str, object] | None = None) -> str:
        """The output of a command of Slurm's, given on the head node, in the repository."""
        command = [*self.lab[HEAD].inside, *map(str, words)]
        added = {name: str(value) for name, value in (environ or {}).items()}
        done = subprocess.run(
            command, cwd=ROOT, env={**self.environ, **added}, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def submit(self, *words: object, environ: Mapping[str, object] | None = None) -> str:
        """The number of a new job, or array of jobs."""
        return self.run("sbatch", "--parsable", f"--chdir={ROOT}", *words, environ=environ)

    def tasks(self, job: str) -> dict[str, str]:
        """{number: what scontrol says} of a job, or of each task of an array."""
        found = self.run("scontrol", "--oneliner", "show", "job", job).splitlines()
        return {re.findall(r"JobId=(\d+)", line)[0]: line for line in found}

    def states(self, job: str) -> list[str]:
        """Their states."""
        return [re.findall(r"JobState=(\w+)", line)[0] for line in self.tasks(job).values()]

    def wait(self, job: str, *states: str, seconds: float = LONG) -> None:
        """Until all of them are in one of `states`."""
        end = time.monotonic() + seconds
        while not set(self.states(job)) <= set(states):
            assert time.monotonic() < end, "\n".join(self.tasks(job).values())
            time.sleep(0.2)
