"""The task of `bench scan`: small photos in folders, as most people have them."""

from __future__ import annotations

from pushfit import LabelledImages


class Listed(LabelledImages):
    name = "listed"
