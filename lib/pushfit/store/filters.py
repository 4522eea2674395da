"""The compression of a shard's chunks, by filters of HDF5 that other tools also have.

hdf5plugin contains the filters. h5py finds them when it is imported, which `load` does.
docs/performance.md compares them.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from pushfit.errors import DataError

Filter = Literal["none", "lz4", "blosc", "zstd"]
FILTERS: tuple[Filter, ...] = get_args(Filter)
_SETTINGS: dict[str, dict[str, Any]] = {
    "lz4": {},
    "blosc": {"cname": "lz4", "clevel": 5, "shuffle": 2},  # shuffle 2: by bits
    "zstd": {"clevel": 3},
}


def options(name: str) -> dict[str, Any]:
    """Arguments of `create_dataset`. Raises DataError if the filter is not installed."""
    if name == "none":
        return {}
    hdf5plugin = load()
    made: dict[str, Any] = {
        "lz4": hdf5plugin.LZ4,
        "blosc": hdf5plugin.Blosc,
        "zstd": hdf5plugin.Zstd,
    }
    return dict(made[name](**_SETTINGS[name]))


def load() -> Any:
    """Register the filters with HDF5. Raises DataError."""
    try:
        import hdf5plugin
    except ImportError as error:
        raise DataError(
            f"compressed chunks need hdf5plugin, which cannot be imported ({error}): "
            "pip install hdf5plugin"
        ) from error
    return hdf5plugin
