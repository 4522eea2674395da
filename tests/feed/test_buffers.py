"""Batches share no memory for as long as anybody can look at one, and then they do."""

from __future__ import annotations

import gc

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pushfit.feed.buffers import ALIGNMENT, Buffers

SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 40), st.just(3))


@given(st.lists(st.tuples(SHAPES, st.sampled_from(["uint8", "int32", "float64"]), st.booleans())))
def test_what_is_held_is_nobody_elses(asked: list[tuple[tuple[int, ...], str, bool]]) -> None:
    buffers, held = Buffers(), []
    for number, (shape, dtype, keep) in enumerate(asked):
        array = buffers.empty(shape, dtype)
        assert array.shape == shape
        assert array.dtype == dtype
        assert array.ctypes.data % ALIGNMENT == 0
        array[...] = number % 100
        if keep:  # a view of a view, as back ends make them
            held.append((array[:, 1:].T, number % 100))
        del array
    assert all((view == value).all() for view, value in held)


def test_memory_is_used_again() -> None:
    buffers = Buffers()
    first = buffers.empty((4, 1000), "uint8")
    place = first.ctypes.data
    second = buffers.empty((4, 1000), "uint8")
    assert second.ctypes.data != place
    del first
    assert buffers.empty((4, 1000), "uint8").ctypes.data == place
    assert buffers.empty((1, 10), "uint8").ctypes.data != place  # a small one holds no large one


def test_a_tensor_made_in_place_holds_its_memory() -> None:
    import tensorflow as tf

    buffers = Buffers()

    def batches():  # type: ignore[no-untyped-def]
        for number in range(8):
            array = buffers.empty((64, 64), "uint8")
            array[...] = number
            yield array

    signature = tf.TensorSpec((None, 64), tf.uint8)
    read = tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(3)
    tensors = list(read)  # all are held
    gc.collect()
    assert [int(tensor[0, 0]) for tensor in tensors] == list(range(8))
    assert all((np.asarray(tensor) == number).all() for number, tensor in enumerate(tensors))
