"""Rows of the audit of a stream of several shards: of some of them, or of all. Pure.

Such a row has an entry for each of its shards under `shards`, and their sums.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

PART = {
    "shard", "expected", "seen", "duplicate", "missing", "skipped", "bad", "padding",
    "stream_sha256",
}  # fmt: skip
HASH = re.compile("[0-9a-f]{64}")


def parts_of(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries of the shards in a row; none of those that no audit has written."""
    given = row.get("shards")
    return [
        part
        for part in (given if isinstance(given, list | tuple) else ())
        if isinstance(part, dict)
        and part.keys() == PART
        and all(isinstance(part[name], int) for name in PART - {"stream_sha256"})
        and (part["stream_sha256"] is None or HASH.fullmatch(str(part["stream_sha256"])))
    ]


def total(epoch: int, parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A row of some shards of an epoch, of the entries of each.

    Its `stream_sha256` is the SHA-256 of the hashes of the shards, in their order, 32 bytes each.
    """
    shards = sorted((dict(part) for part in parts), key=lambda part: int(part["shard"]))
    hashes = [part["stream_sha256"] for part in shards]
    joined = None
    if all(hashes):
        joined = hashlib.sha256(b"".join(map(bytes.fromhex, hashes))).hexdigest()
    summed = [name for name in shards[0] if name not in ("shard", "stream_sha256")]
    sums = {name: sum(part[name] for part in shards) for name in summed}
    return {"epoch": epoch, **sums, "stream_sha256": joined, "shards": shards}


def audit_of_ranks(reports: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The audit of a run of several trainers: the rows of `splits`, from the reports of all ranks.

    Only epochs of which every shard is known have a row. Its `stream_sha256` is that of the whole
    stream, which is the same for any number of trainers.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for split in {split: 0 for report in reports for split in report["splits"]}:
        parts: dict[int, dict[int, dict[str, Any]]] = {}
        for report in reports:
            for row in report["splits"].get(split, ()):
                of_epoch = parts.setdefault(row["epoch"], {})
                of_epoch.update({part["shard"]: part for part in parts_of(row)})
        count = len({shard for of_epoch in parts.values() for shard in of_epoch})
        found[split] = [
            total(epoch, of_epoch.values())
            for epoch, of_epoch in sorted(parts.items())
            if of_epoch and len(of_epoch) == count
        ]
    return found
