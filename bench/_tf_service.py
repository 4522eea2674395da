"""tf.data service, as a rival of the transport: ready-made tensors, from its workers to a consumer.

    python -m bench._tf_service BYTES WORKERS SECONDS     all FORMS in turn, as one line of JSON

Dispatcher, workers and consumer are processes of their own, new ones for each form, over gRPC on
loopback. They are forked from this one, which has imported TensorFlow and run nothing of it: an
import takes four seconds of a core. A worker draws one element of noise, keeps it (`cache`) and
repeats it: making it costs nothing. The consumer compares the first element with the one
expected, and looks at no other.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from bench import _flow, _service
from bench._apart import tell
from pushfit.errors import PushFitError

service = tf.data.experimental.service
NO_SHARDING = service.ShardingPolicy.OFF  # every worker repeats the whole data set: it is endless
PATIENCE = 30.0  # seconds until a process has answered
WARM_SECONDS = 1.0  # a client hears of a second worker within that
FORMS: dict[str, dict[str, Any]] = {
    "compressed": {},  # as documented: compression="AUTO"
    "compressed_tuned": {"max_outstanding_requests": 16},
    "uncompressed": {"compression": None},
    "uncompressed_tuned": {"compression": None, "max_outstanding_requests": 16},
}


def noise(size: int) -> tf.Tensor:
    """(size,) uint8, the same wherever it is drawn; nothing can compress it."""
    words = tf.random.stateless_uniform(
        (-(-size // 4),), seed=(1, 2), minval=None, maxval=None, dtype=tf.int32
    )
    return tf.reshape(tf.bitcast(words, tf.uint8), (-1,))[:size]


def consume(target: str, form: str, size: int, seconds: float, say: Callable[[Any], None]) -> None:
    """Says the GB a second that reach the consumer, and its CPU seconds a GB."""
    data = tf.data.Dataset.range(1).map(lambda _: noise(size)).cache().repeat()
    data = data.apply(
        service.distribute(processing_mode=NO_SHARDING, service=target, **FORMS[form])
    )
    if form.endswith("_tuned"):
        options = tf.data.Options()
        options.deterministic = False
        data = data.with_options(options).prefetch(tf.data.AUTOTUNE)
    elements = iter(data)
    if not bool(tf.reduce_all(next(elements) == noise(size))):
        raise RuntimeError("tf.data service delivered something else than was made")
    source = (int(element.shape[0]) for element in elements)
    _flow.warmed(source, WARM_SECONDS)
    say(_flow.measured(source, seconds).per_gb())


def measured(form: str, size: int, workers: int, seconds: float) -> dict[str, float]:
    """What the consumer tells of one form, with a fleet of its own. Raises PushFitError."""
    fork = multiprocessing.get_context("fork")
    hear, said = fork.Pipe(duplex=False)
    processes = []

    def start(role: Any, *args: Any) -> None:
        processes.append(fork.Process(target=role, args=args, daemon=True))
        processes[-1].start()

    def heard() -> Any:
        if not hear.poll(seconds + PATIENCE):
            raise PushFitError(f"tf.data service ({form}) did not start, or delivers nothing")
        return hear.recv()

    try:
        start(_service.dispatch, workers, said.send)
        target = heard()
        for _ in range(workers):
            start(_service.work, target.partition("://")[2])
        heard()
        start(consume, target, form, size, seconds, said.send)
        figures: dict[str, float] = heard()
        return figures
    finally:
        for process in processes:
            process.kill()
            process.join()


def measure(size: int, workers: int, seconds: float) -> dict[str, Any]:
    return {form: measured(form, size, workers, seconds) for form in FORMS}


if __name__ == "__main__":
    tell(measure)
