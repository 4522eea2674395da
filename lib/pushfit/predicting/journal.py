"""The journal of a prediction in `OUT.part`, from which it can be resumed after any interruption.

    magic, then frames: length and CRC-32 (two little-endian uint32), then msgpack of that length
    first frame    `Head`: what is predicted, by what, and from which records
    other frames   `Chunk`: the answers of the runs of one group to the next records

- A frame is valid if it is complete and its CRC is right. The file is cut off at the first frame
  that is not. So a kill costs one batch, and a power cut the work of a second.
- Only one process uses the file: it holds a lock, which the kernel releases when it dies.
- A file of another prediction is refused, and the message says what differs.
"""

from __future__ import annotations

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

from pushfit import host
from pushfit.errors import ConfigError, DataError, OutputError
from pushfit.feed.source import Reference
from pushfit.files import failure
from pushfit.tasks.base import TEST, UNKNOWN

MAGIC = b"PushFit predictions 1\n"
SYNC_SECONDS = 1.0  # between two flushes to the disk
_FRAME = struct.Struct("<II")


class Head(msgspec.Struct, frozen=True):
    """What is predicted.

    origin: {name: value} of all that decides the answers.
    listing: "path<TAB>size" of each test record, in order.
    """

    origin: dict[str, str]
    classes: tuple[str, ...]
    fingerprint: str
    listing: list[str]

    @property
    def paths(self) -> list[str]:
        return [line.rpartition("\t")[0] for line in self.listing]

    def reference(self) -> Reference:
        """The data set, for a stream that resumes."""
        counts, origin = {TEST: [len(self.listing)]}, "the prediction that is resumed"
        return Reference(self.classes, counts, self.fingerprint, self.listing, origin)


class Bad(msgspec.Struct, frozen=True):
    """A bad record, of which a group's samples could not be made."""

    record: int
    path: str
    host: str
    reason: str


class Chunk(msgspec.Struct, frozen=True):
    """The answers to n records from number `first` on. The arrays are little-endian bytes.

    said: (n, runs of the group, width) float32, probabilities or numbers.
    truth: (n,) int32, true labels or UNKNOWN.
    """

    group: int
    first: int
    said: bytes
    truth: bytes
    bad: list[Bad]


class Journal:
    """The journal, a context manager. Raises OutputError.

    numbers: for each group, the indices of its runs among all runs.
    overwrite: begin anew if the file is of another prediction.

    `bad` is {record: why}, and `truth` (records,) int32, once there is a `head`.
    """

    def __init__(
        self,
        path: Path,
        origin: Mapping[str, str],
        numbers: Sequence[Sequence[int]],
        *,
        overwrite: bool = False,
    ) -> None:
        self.path, self._origin = path, dict(origin)
        self._numbers = numbers
        self._said: np.ndarray | None = None  # None until the first answer, which has the width
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
        if host.lock(self._file.fileno(), self.path) is False:
            raise OutputError(
                f"another prediction is at work on {self.path}: end it first, or choose another "
                "--out"
            )

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.head is None:  # it has nothing in it
            self.remove()
        self._file.close()

    # -- reading --------------------------------------------------------------------------------

    @property
    def records(self) -> int:
        """The number of records to predict; 0: it is not known yet."""
        return len(self.head.listing) if self.head else 0

    def done(self, group: int) -> int:
        """The number of records that group number `group` has answered."""
        return self._done[group]

    def is_complete(self, group: int) -> bool:
        return self.head is not None and self._done[group] == self.records

    def _read(self, overwrite: bool) -> None:
        start = self._file.read(len(MAGIC))
        if start != MAGIC:
            if not MAGIC.startswith(start) and not overwrite:
                raise OutputError(
                    f"{self.path} is not the journal of a prediction: move it away, or give "
                    "--overwrite to lose it"
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
            pass  # the frame is complete but invalid: the frames before it still count
        self._file.seek(end)
        self._file.truncate()

    def _frames(self) -> Iterator[tuple[bytes, int]]:
        """(content, offset after it) of every frame, up to the first that is not valid."""
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
            f"{self.path} is the journal of another prediction: not the same {', '.join(wrong)}. "
            "Finish that prediction first, choose another --out, or give --overwrite to lose it"
        )

    def _restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._write(MAGIC)

    def _adopt(self, head: Head) -> None:
        self.head = head
        self.truth = np.full(self.records, UNKNOWN, np.int32)

    def _take(self, chunk: Chunk) -> None:
        """Add the answers of a chunk. Raises ValueError if it does not fit."""
        numbers = self._numbers[chunk.group]
        truth = np.frombuffer(chunk.truth, "<i4")
        said = np.frombuffer(chunk.said, "<f4")
        width = -1 if self._said is None else self._said.shape[2]
        said = said.reshape(len(truth), len(numbers), width)
        rows = slice(chunk.first, chunk.first + len(truth))
        if chunk.first != self._done[chunk.group] or rows.stop > self.records:
            raise ValueError("a chunk out of turn")
        if self._said is None:
            runs = sum(map(len, self._numbers))
            self._said = np.empty((runs, self.records, said.shape[2]), np.float32)
        self._said[list(numbers), rows] = said.swapaxes(0, 1)
        self.truth[rows] = truth
        self.bad.update((bad.record, bad) for bad in chunk.bad)
        self._done[chunk.group] = rows.stop

    # -- writing --------------------------------------------------------------------------------

    def begin(self, reference: Reference) -> None:
        """Note the records, which are known now. Raises DataError if their names are not known."""
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
        """Add the answers of a group to its next records.

        said: for each run of the group, (n, width).
        truth: (n,) true labels, or UNKNOWN.
        bad: the bad records among these.
        Raises OutputError, or ConfigError if runs differ in their width.
        """
        widths = {one.shape[1] for one in said}
        widths |= set() if self._said is None else {self._said.shape[2]}
        if len(widths) > 1:
            raise ConfigError(
                "the models of the runs give different numbers of values for a record: "
                f"{' and '.join(map(str, sorted(widths)))}. Such runs cannot predict together"
            )
        together = np.stack(said, axis=1).astype("<f4")
        chunk = Chunk(
            group, self._done[group], together.tobytes(), truth.astype("<i4").tobytes(), bad
        )
        self._take(chunk)
        self._append(chunk)

    def said(self) -> np.ndarray:
        """The answers of a complete prediction: (runs, records, width) float32."""
        assert self._said is not None
        return self._said

    def remove(self) -> None:
        """Remove the file, since all answers are written to their files."""
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
