"""What is predicted so far, beside OUT (`OUT.part`), so that a prediction can go on after any end.

    magic, then frames: length and CRC-32 (two little-endian uint32), then so many bytes of msgpack
    first frame   `Head`: what is predicted, by what, from which records
    each other    `Chunk`: what the runs of one group say of the next records

- A frame is there when it is whole and its CRC holds; what follows the first that is not is cut
  off. So a kill costs the batch under way, and a power cut a second's work.
- One process a file: it holds a lock, which the kernel lets go of when it dies.
- A file of anything else than what is to be predicted now is refused, saying what differs.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import msgspec
import numpy as np

from lib.errors import DataError, OutputError
from lib.files import failure
from lib.tasks.base import TEST, UNKNOWN
from lib.trainer.roster import Reference

MAGIC = b"PushFit predictions 1\n"
SYNC_SECONDS = 1.0  # between two flushes to the disk
_FRAME = struct.Struct("<II")


class Head(msgspec.Struct, frozen=True):
    """origin: {what: value} of all that decides the answers; the rest: of the test records.

    listing: "path<TAB>size" of each, in order.
    """

    origin: dict[str, str]
    classes: tuple[str, ...]
    fingerprint: str
    listing: list[str]

    @property
    def paths(self) -> list[str]:
        return [line.rpartition("\t")[0] for line in self.listing]

    def reference(self) -> Reference:
        """The data set, for a stream that goes on."""
        counts, origin = {TEST: [len(self.listing)]}, "the prediction that is resumed"
        return Reference(self.classes, counts, self.fingerprint, self.listing, origin)


class Bad(msgspec.Struct, frozen=True):
    """A record of which some group's samples could not be made."""

    record: int
    path: str
    host: str
    reason: str


class Chunk(msgspec.Struct, frozen=True):
    """Of records `first` …: probabilities (n, runs of the group, classes) float32; truth (n,) int32
    true labels or UNKNOWN; as bytes, little-endian."""

    group: int
    first: int
    probabilities: bytes
    truth: bytes
    bad: list[Bad]


class Partial:
    """Context manager. `bad`: {record: why}; `truth`: (records,) int32, once `head` is there.

    numbers: for each group, the places of its runs among all; classes: how many there are.
    overwrite: begin anew where the file is of something else. Raises OutputError.
    """

    def __init__(
        self,
        path: Path,
        origin: Mapping[str, str],
        numbers: Sequence[Sequence[int]],
        classes: int,
        *,
        overwrite: bool = False,
    ) -> None:
        self.path, self._origin = path, dict(origin)
        self._numbers, self._classes = numbers, classes
        self._synced = 0.0
        self.head: Head | None = None
        self._done = [0] * len(numbers)
        self.bad: dict[int, Bad] = {}
        try:
            self._file: BinaryIO = path.open("r+b" if path.exists() else "w+b")
        except OSError as error:
            raise failure("write", path, error) from error
        try:
            self._lock()
            self._read(overwrite)
        except BaseException:
            self._file.close()
            raise

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(
                f"another predict.py is at work on {self.path}: end it first, or choose another "
                "--out"
            ) from None

    def __enter__(self) -> Partial:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.head is None:  # nothing came of it
            self.remove()
        self._file.close()

    # -- what is there --------------------------------------------------------------------------

    @property
    def records(self) -> int:
        """How many there are to predict; 0 while that is not known."""
        return len(self.head.listing) if self.head else 0

    def done(self, group: int) -> int:
        """Records that group number `group` has answered for."""
        return self._done[group]

    def is_complete(self, group: int) -> bool:
        return self.head is not None and self._done[group] == self.records

    def _read(self, overwrite: bool) -> None:
        start = self._file.read(len(MAGIC))
        if start != MAGIC:
            if not MAGIC.startswith(start) and not overwrite:
                raise OutputError(
                    f"{self.path} is not what an unfinished prediction leaves: move it away, or "
                    "give --overwrite to lose it"
                )
            self._restart()
            return
        frames, end = self._frames(), len(MAGIC)
        try:
            for frame, after in frames:
                if self.head is None:
                    head = msgspec.msgpack.decode(frame, type=Head)
                    if head.origin != self._origin:
                        if not overwrite:
                            raise OutputError(self._differs(head.origin))
                        self._restart()
                        return
                    self._adopt(head)
                else:
                    self._take(msgspec.msgpack.decode(frame, type=Chunk))
                end = after
        except (msgspec.MsgspecError, ValueError):
            pass  # as whole as it is wrong: what was before it still counts
        self._file.seek(end)
        self._file.truncate()

    def _frames(self) -> Iterator[tuple[bytes, int]]:
        """(content, where the file goes on) of every frame, up to the first that is not whole."""
        while len(head := self._file.read(_FRAME.size)) == _FRAME.size:
            length, crc = _FRAME.unpack(head)
            if length > os.fstat(self._file.fileno()).st_size - self._file.tell():
                return
            frame = self._file.read(length)
            if zlib.crc32(frame) != crc:
                return
            yield frame, self._file.tell()

    def _differs(self, before: Mapping[str, str]) -> str:
        names = sorted(set(before) | set(self._origin))
        wrong = [name for name in names if before.get(name) != self._origin.get(name)]
        return (
            f"{self.path} holds a part of another prediction: not the same {', '.join(wrong)}. "
            "Finish that one first, choose another --out, or give --overwrite to lose it"
        )

    def _restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._write(MAGIC)

    def _adopt(self, head: Head) -> None:
        self.head = head
        records = self.records
        self._said = np.empty((sum(map(len, self._numbers)), records, self._classes), np.float32)
        self.truth = np.full(records, UNKNOWN, np.int32)

    def _take(self, chunk: Chunk) -> None:
        """Raises ValueError for one that does not fit."""
        numbers = self._numbers[chunk.group]
        truth = np.frombuffer(chunk.truth, "<i4")
        said = np.frombuffer(chunk.probabilities, "<f4")
        said = said.reshape(len(truth), len(numbers), self._classes)
        rows = slice(chunk.first, chunk.first + len(truth))
        if chunk.first != self._done[chunk.group] or rows.stop > self.records:
            raise ValueError("a chunk out of turn")
        self._said[list(numbers), rows] = said.swapaxes(0, 1)
        self.truth[rows] = truth
        self.bad.update((bad.record, bad) for bad in chunk.bad)
        self._done[chunk.group] = rows.stop

    # -- what comes -----------------------------------------------------------------------------

    def begin(self, reference: Reference) -> None:
        """The records are known now. Raises DataError where their names are not."""
        if self.head is not None:
            return
        if len(reference.listing) != reference.records:
            raise DataError(
                "the list of the records is too long to come from a generator: give --data with "
                "their folder on this host"
            )
        head = Head(self._origin, reference.classes, reference.fingerprint, reference.listing)
        self._adopt(head)
        self._append(head)

    def add(
        self, group: int, said: Sequence[np.ndarray], truth: np.ndarray, bad: list[Bad]
    ) -> None:
        """What the runs of a group say of its next records: (n, classes) each. Raises OutputError.

        truth: (n,) true labels, or UNKNOWN.
        """
        together = np.stack(said, axis=1).astype("<f4")
        chunk = Chunk(
            group, self._done[group], together.tobytes(), truth.astype("<i4").tobytes(), bad
        )
        self._take(chunk)
        self._append(chunk)

    def probabilities(self) -> np.ndarray:
        """(runs, records, classes) float32."""
        return self._said

    def remove(self) -> None:
        """All is written elsewhere."""
        self.path.unlink(missing_ok=True)

    def _append(self, content: Head | Chunk) -> None:
        frame = msgspec.msgpack.encode(content)
        self._write(_FRAME.pack(len(frame), zlib.crc32(frame)) + frame)

    def _write(self, content: bytes) -> None:
        try:
            self._file.write(content)
            self._file.flush()
            if time.monotonic() - self._synced > SYNC_SECONDS:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()
        except OSError as error:
            raise failure("write", self.path, error) from error
