"""tf.data in `bench images`: native operations in a graph, as documented and tuned."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench._images_work import BATCH, RATIO, SCALE, SIZE, Job


def documented(job: Job) -> Any:
    """A photo is decoded whole, then cut: parallel map, batch and prefetch, all `AUTOTUNE`."""
    return _batches(job, _whole)


def tuned(job: Job) -> Any:
    """Only the part that was drawn is decoded; samples come in any order."""
    import tensorflow as tf

    options = tf.data.Options()
    options.deterministic = False
    options.threading.private_threadpool_size = max(job.workers, 1)
    options.threading.max_intra_op_parallelism = 1
    return _batches(job, _part, options)


def _batches(job: Job, made: Any, options: Any = None) -> Any:
    import tensorflow as tf

    if not job.workers:
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.threading.set_intra_op_parallelism_threads(1)
    paths, labels = map(list, zip(*job.photos, strict=True))
    dataset = tf.data.Dataset.from_tensor_slices((paths, np.array(labels, np.int32)))
    dataset = dataset.shuffle(len(paths)).repeat()
    dataset = dataset.map(
        lambda path, label: (_varied(made(tf.io.read_file(path))), label),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    dataset = dataset.batch(BATCH, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
    return (dataset.with_options(options) if options else dataset).as_numpy_iterator()


def _drawn(shape: Any) -> tuple[Any, Any]:
    """Where a random part begins (y, x, 0), and its size (height, width, -1)."""
    import tensorflow as tf

    begin, size, _ = tf.image.sample_distorted_bounding_box(
        shape,
        bounding_boxes=tf.zeros((1, 0, 4)),
        use_image_if_no_bounding_boxes=True,
        min_object_covered=0.0,
        area_range=SCALE,
        aspect_ratio_range=RATIO,
        max_attempts=10,
    )
    return begin, size


def _whole(data: Any) -> Any:
    import tensorflow as tf

    photo = tf.io.decode_jpeg(data, channels=3)
    return tf.slice(photo, *_drawn(tf.shape(photo)))


def _part(data: Any) -> Any:
    import tensorflow as tf

    begin, size = _drawn(tf.io.extract_jpeg_shape(data))
    window = tf.stack([begin[0], begin[1], size[0], size[1]])
    return tf.io.decode_and_crop_jpeg(data, window, channels=3)


def _varied(part: Any) -> Any:
    import tensorflow as tf

    made = tf.image.resize(part, (SIZE, SIZE), "bilinear", antialias=True)
    made = tf.image.random_flip_left_right(made)
    return tf.ensure_shape(tf.saturate_cast(tf.round(made), tf.uint8), (SIZE, SIZE, 3))
