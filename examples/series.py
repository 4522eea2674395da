"""Time series: what comes next? All data is one large array, of which windows are cut.

    python train_zmq.py --task examples/series.py --links DIR --generators 2

    DIR/series.npy     (steps, channels) float32; it may be larger than memory, since it is mapped

The last tenth of the steps is validated on. A record is a stretch of --window steps, and a sample
begins somewhere in its stretch. The model predicts the step after the window.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from pushfit.errors import BadRecord, DataError
from pushfit.tasks.base import TRAIN, VAL, ArraySpec, DataSet, Record, RecordTable, Task

FILE = "series.npy"


class SeriesParams(msgspec.Struct, frozen=True, kw_only=True):
    window: Annotated[int, Meta(ge=1, description="Steps that the model sees.")] = 64


class Series(Task):
    name = "series"
    Params = SeriesParams
    row = {"batch_size": 256}
    loss = "mean_squared_error"
    metrics = ("mean_absolute_error",)
    shared_scan = True

    def scan(self, links: Path) -> DataSet:
        series, window = _mapped(links), self.params.window
        steps, channels = series.shape
        stretches = (steps - window - 1) // window  # the last one has room for its samples' starts
        trained = stretches - stretches // 10 - 1  # no step is seen in both splits
        if trained < 1:
            raise DataError(f"{FILE} has {steps} steps, too few for a --window of {window}")
        splits = {
            split: RecordTable.of(Record(f"{FILE}:{number:012}") for number in numbers)
            for split, numbers in ((TRAIN, range(trained)), (VAL, range(trained + 1, stretches)))
        }
        size = (links / FILE).stat().st_size
        return DataSet((), splits, version=str(size), facts={"channels": channels})

    def setup(self, links: Path) -> None:
        self.series = _mapped(links)

    def arrays(self) -> tuple[ArraySpec, ...]:
        channels = int(self.facts["channels"])  # type: ignore[arg-type]
        return (
            ArraySpec("seen", "float32", (self.params.window, channels)),
            ArraySpec("next", "float32", (channels,)),
        )

    def read(self, links: Path, record: Record) -> np.ndarray:
        """Two windows and a step: all that the samples of the stretch may need."""
        start = int(record.path.rpartition(":")[2]) * self.params.window
        return np.array(self.series[start : start + 2 * self.params.window])

    def decode(self, data: Any, record: Record) -> np.ndarray:
        if not np.isfinite(data).all():
            raise BadRecord("it has a value that is not a number")
        return np.asarray(data)

    def sample(
        self, item: np.ndarray, record: Record, split: str, patch: int, rng: np.random.Generator
    ) -> Mapping[str, Any]:
        window = self.params.window
        start = rng.integers(len(item) - window) if split == TRAIN else 0
        return {"seen": item[start : start + window], "next": item[start + window]}

    def to_fit(self, batch: Mapping[str, np.ndarray]) -> tuple[Any, Any]:
        return batch["seen"], batch["next"]

    def build_model(self, classes: int) -> Any:
        import keras
        from keras import layers

        channels = int(self.facts["channels"])  # type: ignore[arg-type]
        seen = keras.Input((self.params.window, channels))
        x = layers.GRU(32)(layers.LayerNormalization()(seen))
        return keras.Model(seen, layers.Dense(channels, dtype="float32")(x), name="series")


def _mapped(links: Path) -> np.ndarray:
    try:
        series = np.load(links / FILE, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{links / FILE} cannot be read as an array: {error}") from error
    if series.ndim != 2 or series.dtype != np.float32:
        raise DataError(
            f"{FILE} is {series.dtype} of the shape {series.shape}: save (steps, channels) float32"
        )
    return np.asarray(series)
