"""What could make samples smaller without loss: filters and compressors, on ready-made patches.

A filter turns a lease (rows, H, W, 3) into bytes that a compressor does better on, and back; a
codec of pictures does both. Each runs on one core over leases of LEASE_BYTES, and has to give back
what it got. The product's own way is there as it is, `pushfit/wire/compression.py`.

Needs imagecodecs (the extra `bench`), which brings all of them but Zstandard.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import zstandard

from pushfit.errors import ConfigError
from pushfit.requirements import explained
from pushfit.tasks.base import ArraySpec
from pushfit.wire import compression

LEASE_BYTES = 2 * 2**20
Pack = Callable[[np.ndarray], bytes]
Unpack = Callable[[bytes, tuple[int, ...]], np.ndarray]


def _raw(array: np.ndarray) -> np.ndarray:
    return array


def _left(array: np.ndarray) -> np.ndarray:
    out = array.copy()
    out[:, :, 1:] -= array[:, :, :-1]
    return out


def _unleft(array: np.ndarray) -> np.ndarray:
    return np.cumsum(array, axis=2, dtype=np.uint8)


def _up(array: np.ndarray) -> np.ndarray:
    out = array.copy()
    out[:, 1:] -= array[:, :-1]
    return out


def _unup(array: np.ndarray) -> np.ndarray:
    out = array.copy()
    for row in range(1, array.shape[1]):
        out[:, row] += out[:, row - 1]
    return out


def _planes(array: np.ndarray) -> np.ndarray:
    """(3, rows, H, W): G, R-G, B-G."""
    planes = np.ascontiguousarray(np.moveaxis(array, 3, 0)[[1, 0, 2]])
    planes[1:] -= planes[0]
    return planes


def _unplanes(planes: np.ndarray) -> np.ndarray:
    planes = planes.copy()
    planes[1:] += planes[0]
    return np.ascontiguousarray(np.moveaxis(planes[[1, 0, 2]], 0, 3))


def _median(array: np.ndarray) -> np.ndarray:
    """The planes less the median edge predictor of JPEG-LS, which undoes pixel by pixel only."""
    planes = _planes(array)
    ahead = np.pad(planes, ((0, 0), (0, 0), (1, 0), (1, 0))).astype(np.int16)
    left, up, corner = ahead[..., 1:, :-1], ahead[..., :-1, 1:], ahead[..., :-1, :-1]
    least, most = np.minimum(left, up), np.maximum(left, up)
    return planes - np.clip(left + up - corner, least, most).astype(np.uint8)


def _nibbles(array: np.ndarray) -> np.ndarray:
    """Green and up, then the high halves of two bytes in one, and the low halves after them."""
    flat = _up(_planes(array).reshape(-1, *array.shape[1:3])).reshape(-1)
    flat = flat + 8  # small differences of either sign share a high half
    pair = flat.reshape(-1, 2)
    return np.concatenate([pair[:, 0] & 0xF0 | pair[:, 1] >> 4, pair[:, 0] << 4 | pair[:, 1] & 15])


def _unnibbles(halves: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    high, low = np.split(halves.reshape(-1), 2)
    flat = np.empty((len(high), 2), np.uint8)
    flat[:, 0], flat[:, 1] = high & 0xF0 | low >> 4, high << 4 | low & 15
    planes = (flat.reshape(-1) - 8).reshape(3 * shape[0], *shape[1:3])
    return _unplanes(_unup(planes).reshape(3, *shape[:3]))


def _green(
    filtered: Callable[[np.ndarray], np.ndarray], restored: Callable[[np.ndarray], np.ndarray]
) -> tuple[Callable[[np.ndarray], np.ndarray], Callable[..., np.ndarray]]:
    def there(array: np.ndarray) -> np.ndarray:
        return filtered(_planes(array).reshape(-1, *array.shape[1:3]))

    def back(flat: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        return _unplanes(restored(flat.reshape(-1, *shape[1:3])).reshape(3, *shape[:3]))

    return there, back


def _plain(
    filtered: Callable[[np.ndarray], np.ndarray], restored: Callable[[np.ndarray], np.ndarray]
) -> tuple[Callable[[np.ndarray], np.ndarray], Callable[..., np.ndarray]]:
    return filtered, lambda flat, shape: restored(flat.reshape(shape))


FILTERS = {
    "none": _plain(_raw, _raw),
    "left": _plain(_left, _unleft),
    "up": _plain(_up, _unup),
    "green_left": _green(_left, _unleft),
    "green_up": _green(_up, _unup),
    "green_nibbles": (_nibbles, _unnibbles),
    "green_median": (_median, None),
}


def _zstd(level: int) -> tuple[Callable[[Any], bytes], Callable[[bytes], bytes]]:
    return (
        lambda data: zstandard.ZstdCompressor(level=level).compress(data),
        lambda data: zstandard.ZstdDecompressor().decompress(data),
    )


def _zlib(strategy: int) -> tuple[Callable[[Any], bytes], Callable[[bytes], bytes]]:
    def compress(data: Any) -> bytes:
        stream = zlib.compressobj(1, zlib.DEFLATED, -15, 9, strategy)
        return stream.compress(data) + stream.flush()

    return compress, lambda data: zlib.decompress(data, -15)


def _methods() -> dict[str, tuple[Pack, Unpack | None]]:
    try:
        import imagecodecs as codecs
    except ModuleNotFoundError as error:
        raise ConfigError(explained(error)) from None
    bytewise = {
        "zlib1": _zlib(zlib.Z_DEFAULT_STRATEGY),
        "huffman": _zlib(zlib.Z_HUFFMAN_ONLY),
        "deflate1": (
            lambda data: codecs.deflate_encode(data, 1, raw=True),
            lambda data: codecs.deflate_decode(data, out=2 * LEASE_BYTES, raw=True),
        ),
        "lz4": (
            lambda data: codecs.lz4_encode(data, header=True),
            lambda data: codecs.lz4_decode(data, header=True),
        ),
        **{f"zstd{level}": _zstd(level) for level in (-5, -1, 1, 3)},
    }
    found: dict[str, tuple[Pack, Unpack | None]] = {}
    for name, (there, back) in FILTERS.items():
        for how, (compress, expand) in bytewise.items():
            if name in ("none", "green_up") or how in ("lz4", "zstd1"):
                found[f"{name}_{how}"] = _both(there, back, compress, expand)
    for how, encode, decode in (
        ("png1", lambda one: codecs.spng_encode(one, 1), codecs.spng_decode),
        ("qoi", codecs.qoi_encode, codecs.qoi_decode),
        ("webp0", lambda one: codecs.webp_encode(one, lossless=True, method=0), codecs.webp_decode),
        ("jpegls", codecs.jpegls_encode, codecs.jpegls_decode),
    ):
        found[how] = _pictures(encode, decode)
    found["product"] = compression.pack, _unpacked
    return found


def _unpacked(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    spec = ArraySpec("image", "uint8", shape[1:])
    return compression.unpack(data, spec, shape[0], int(np.prod(shape)))


def _both(there: Any, back: Any, compress: Any, expand: Any) -> tuple[Pack, Unpack | None]:
    def pack(array: np.ndarray) -> bytes:
        return bytes(compress(np.ascontiguousarray(there(array)).reshape(-1).data))

    def unpack(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        flat = np.frombuffer(expand(data), np.uint8)
        restored: np.ndarray = back(flat, shape)
        return restored

    return pack, unpack if back is not None else None


def _pictures(encode: Any, decode: Any) -> tuple[Pack, Unpack]:
    """A codec of one picture at a time; what it makes stands behind its length."""

    def pack(array: np.ndarray) -> bytes:
        parts = [bytes(encode(one)) for one in array]
        return b"".join(len(part).to_bytes(4, "little") + part for part in parts)

    def unpack(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        found, at = [], 0
        while at < len(data):
            end = at + 4 + int.from_bytes(data[at : at + 4], "little")
            found.append(decode(data[at + 4 : end]))
            at = end
        return np.stack(found)

    return pack, unpack


def compare(patches: np.ndarray, names: list[str]) -> Iterator[tuple[str, float, float, float]]:
    """Measure methods on (n, H, W, 3) uint8 patches, each on one core.

    names: of the methods; empty: all.
    Yields (name, raw ÷ packed, MB/s packed, MB/s unpacked); the last is 0 where numpy cannot.
    Raises RuntimeError for a method that loses something.
    """
    step = max(1, LEASE_BYTES // patches[0].nbytes)
    leases = [patches[at : at + step] for at in range(0, len(patches), step)]
    for name, (pack, unpack) in _methods().items():
        if names and name not in names:
            continue
        pack(leases[0])
        began = time.perf_counter()
        packed = [pack(lease) for lease in leases]
        took = time.perf_counter() - began
        back = 0.0
        if unpack is not None:
            unpack(packed[0], leases[0].shape)
            began = time.perf_counter()
            whole = [unpack(*one) for one in zip(packed, (x.shape for x in leases), strict=True)]
            back = time.perf_counter() - began
            if b"".join(one.tobytes() for one in whole) != patches.tobytes():
                raise RuntimeError(f"{name} gave back something else")
        ratio = patches.nbytes / sum(map(len, packed))
        yield name, ratio, patches.nbytes / took / 1e6, patches.nbytes / back / 1e6 if back else 0.0
