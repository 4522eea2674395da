"""Contrastive learning (SimCLR) from photos without labels: two random views of each photo.

    python train_zmq.py --task examples/two_views.py --links DIR --generators 2 --batch-size 256

The photos lie as for examples/photos.py, but their classes are not used. A sample has two crops of
a photo, each augmented by itself. The model learns to tell which two of a batch belong together.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pushfit.decoding import images
from pushfit.tasks import resizing
from pushfit.tasks.base import ArraySpec, Record
from pushfit.tasks.images.augmentation import AugmentParams, augmented
from pushfit.tasks.labelled import LabelledImages

SIMCLR = AugmentParams(jitter=(0.8, 0.8, 0.8, 0.2), jitter_share=0.8, greyscale=0.2, blur=0.5)
TEMPERATURE = 0.5


class TwoViews(LabelledImages):
    name = "two_views"
    metrics = ()

    def arrays(self) -> tuple[ArraySpec, ...]:
        shape = (self.params.size, self.params.size, 3)
        return ArraySpec("view1", "uint8", shape), ArraySpec("view2", "uint8", shape)

    def decode(self, data: bytes, record: Record) -> np.ndarray:
        return images.decode(data)  # the whole photo, from which each view is cut

    def sample(
        self, item: np.ndarray, record: Record, split: str, patch: int, rng: np.random.Generator
    ) -> Mapping[str, Any]:
        return {view: self.view(item, rng) for view in ("view1", "view2")}

    def view(self, photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A rectangle of 8% to 100% of the photo, resized to a square and augmented."""
        height, width, _ = photo.shape
        area, ratio = height * width * rng.uniform(0.08, 1), rng.uniform(3 / 4, 4 / 3)
        across, down = min(width, math.sqrt(area * ratio)), min(height, math.sqrt(area / ratio))
        left, top = (width - across) * rng.random(), (height - down) * rng.random()
        cut = resizing.resize(photo, self.params.size, (left, top, left + across, top + down))
        return augmented(cut, SIMCLR, rng)

    def from_picture(self, picture: np.ndarray) -> Mapping[str, Any]:
        square = self._square(picture)
        return {"view1": square, "view2": square}

    def to_fit(self, batch: Mapping[str, np.ndarray]) -> tuple[Any, Any]:
        return {"view1": batch["view1"], "view2": batch["view2"]}, None

    def pictures(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.concatenate([batch["view1"], batch["view2"]], axis=2)  # side by side

    def build_model(self, classes: int) -> Any:
        import keras
        from keras import layers, ops

        @keras.saving.register_keras_serializable("two_views")
        class Contrastive(keras.Model):
            def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
                """NT-Xent: of all other views in the batch, which one is of the same photo?"""
                views = ops.concatenate([y_pred[:, 0], y_pred[:, 1]])
                count = ops.shape(views)[0]
                alike = ops.matmul(views, ops.transpose(views)) / TEMPERATURE
                alike = alike - 1e9 * ops.eye(count)  # a view is not compared with itself
                partners = ops.roll(ops.arange(count), count // 2)
                losses = keras.losses.sparse_categorical_crossentropy(
                    partners, alike, from_logits=True
                )
                return ops.mean(losses)

        side = self.params.size
        encoder = keras.Sequential([keras.Input((side, side, 3)), layers.Rescaling(1 / 255)])
        for width in (32, 64, 128):
            encoder.add(layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False))
            encoder.add(layers.BatchNormalization())
            encoder.add(layers.ReLU())
        encoder.add(layers.GlobalAveragePooling2D(name="features"))
        encoder.add(layers.Dense(64))  # the projection, which is dropped after the training
        encoder.add(layers.UnitNormalization())
        views = {name: keras.Input((side, side, 3), name=name) for name in ("view1", "view2")}
        pair = [layers.Reshape((1, 64))(encoder(view)) for view in views.values()]
        pair = layers.Concatenate(axis=1, dtype="float32", name="pair")(pair)
        return Contrastive(views, pair, name="two_views")
