"""How the chunks of a shard are packed: by filters of HDF5 that other tools have, too.

hdf5plugin brings them; h5py finds them once it is imported, so `load` does that. Which one pays for
what is in docs/performance.md.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from lib.errors import DataError

Filter = Literal["none", "lz4", "blosc", "zstd"]
FILTERS: tuple[Filter, ...] = get_args(Filter)
_SETTINGS: dict[str, dict[str, Any]] = {
    "lz4": {},
    "blosc": {"cname": "lz4", "clevel": 5, "shuffle": 2},  # 2: bits of the same weight together
    "zstd": {"clevel": 3},
}


def options(name: str) -> dict[str, Any]:
    """Arguments of `create_dataset`. Raises DataError where the filter is not there."""
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
            f"packed chunks need hdf5plugin, which cannot be imported ({error}): "
            "pip install hdf5plugin"
        ) from error
    return hdf5plugin
