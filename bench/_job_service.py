"""A tf.data service on this host: a dispatcher here, N workers, each in a process of its own.

python -m bench._job_service N            prints the address; ends when it is killed
"""

from __future__ import annotations

import subprocess
import sys

from pushfit.fleet.local import PARENT, die_with_parent


def worker(address: str) -> None:
    import tensorflow as tf

    service = tf.data.experimental.service
    service.WorkerServer(
        service.WorkerConfig(dispatcher_address=address, heartbeat_interval_ms=1000)
    ).join()


def dispatcher(workers: int) -> None:
    import os

    import tensorflow as tf

    service = tf.data.experimental.service
    server = service.DispatchServer(service.DispatcherConfig(port=0))
    address = server.target.split("://")[1]
    env = {**os.environ, PARENT: str(os.getpid())}
    for _ in range(workers):
        subprocess.Popen([sys.executable, "-m", "bench._job_service", "-", address], env=env)
    print(server.target, flush=True)
    server.join()


if __name__ == "__main__":
    die_with_parent()
    if sys.argv[1] == "-":
        worker(sys.argv[2])
    else:
        dispatcher(int(sys.argv[1]))
