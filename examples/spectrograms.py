"""Audio: which class is a sound of? The model makes the spectrogram, on the trainer's GPU.

    python train_zmq.py --task examples/spectrograms.py --links DIR --generators 2

    DIR/train/CLASS/*.wav, DIR/val/CLASS/*.wav     16 bits, one channel, all of the same rate

A sample is a second of a sound: a random one in training, a little louder or softer, else the
middle. Generators send the samples of the sound as whole numbers: these are fewer bytes than a
spectrogram, and the same on every host.
"""

import io
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from pushfit.errors import BadRecord, DataError
from pushfit.tasks.base import TRAIN, VAL, ArraySpec, DataSet, Record, Task


class SpectrogramsParams(msgspec.Struct, frozen=True, kw_only=True):
    rate: Annotated[int, Meta(ge=4000, description="Samples a second of all sounds.")] = 16_000
    seconds: Annotated[float, Meta(gt=0, le=60, description="Length of a sample.")] = 1.0


class Spectrograms(Task):
    name = "spectrograms"
    Params = SpectrogramsParams

    @property
    def length(self) -> int:
        return round(self.params.rate * self.params.seconds)

    def scan(self, links: Path) -> DataSet:
        folders = sorted(path.name for path in (links / TRAIN).iterdir() if path.is_dir())
        if len(folders) < 2:
            raise DataError(f"{links / TRAIN} needs a folder of sounds for each of two classes")
        splits = {
            split: tuple(
                Record(path.relative_to(links).as_posix(), path.stat().st_size, label)
                for label, name in enumerate(folders)
                for path in sorted((links / split / name).glob("*.wav"))
            )
            for split in (TRAIN, VAL)
        }
        return DataSet(tuple(folders), splits)

    def arrays(self) -> tuple[ArraySpec, ...]:
        return ArraySpec("sound", "int16", (self.length,)), ArraySpec("label", "int32", ())

    def decode(self, data: bytes, record: Record) -> np.ndarray:
        try:
            with wave.open(io.BytesIO(data)) as file:
                form = file.getnchannels(), file.getsampwidth(), file.getframerate()
                sound = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        except (wave.Error, EOFError, ValueError) as error:
            raise BadRecord(f"not a WAV file that can be read: {error}") from error
        if form != (1, 2, self.params.rate):
            raise BadRecord(
                f"it has {form[0]} channels of {form[1]} bytes at {form[2]} a second: convert it "
                "to one channel of 2 bytes, or set --rate"
            )
        if not len(sound):
            raise BadRecord("it has no sound")
        return np.pad(sound, (0, max(self.length - len(sound), 0)))

    def sample(
        self, item: np.ndarray, record: Record, split: str, patch: int, rng: np.random.Generator
    ) -> Mapping[str, Any]:
        room, gain = len(item) - self.length, 256
        start = room // 2
        if split == TRAIN:
            start, gain = rng.integers(room + 1), rng.integers(128, 257)  # half as loud, or more
        sound = item[start : start + self.length].astype(np.int32) * gain >> 8
        return {"sound": sound.astype(np.int16), "label": record.label}

    def to_fit(self, batch: Mapping[str, np.ndarray]) -> tuple[Any, Any]:
        return batch["sound"], batch["label"]

    def build_model(self, classes: int) -> Any:
        import keras
        from keras import layers

        sound = keras.Input((self.length,), dtype="int16")
        x = layers.Rescaling(1 / 32_768, dtype="float32")(sound)
        x = layers.MelSpectrogram(
            sampling_rate=self.params.rate, fft_length=512, sequence_stride=160, num_mel_bins=64,
            max_freq=self.params.rate / 2,
        )(x)  # fmt: skip
        x = layers.Reshape((*x.shape[1:], 1))(x)
        for width in (16, 32, 64):
            x = layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization()(x)
            x = layers.ReLU()(x)
        x = layers.GlobalAveragePooling2D()(x)
        shares = layers.Dense(classes, activation="softmax", dtype="float32")(x)
        return keras.Model(sound, shares, name="spectrograms")
