"""Scenes for simulated photos: what is in front of the camera.

A scene is an (H, W, 3) float32 image in linear light, 0 upwards. It depends only on a random
generator, not on the camera. There are six kinds, each with a new palette and layout every time:

    landscape   sky, clouds, ridges that fade into haze
    leaves      overlapping leaves of all sizes (the "dead leaves" model of natural images)
    street      facades with windows, seen at an angle
    table       shaded balls on grained wood, against a wall
    ground      sand, rock or water: a rough surface lit from one side
    cloth       checks and stripes over folds

They are built from three materials: fractal noise (a power-law spectrum, as natural images have:
Field 1987), polygons drawn by Pillow at twice the size, and light falling on a height map.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Floats = NDArray[np.floating]  # always float32
Scene = Callable[[np.random.Generator, int, int], Floats]

MEAN = 0.22  # what exposure meters call middle grey is 0.18; skies and lamps lie above it


def draw(kind: str, rng: np.random.Generator, height: int, width: int) -> Floats:
    """A scene of a `kind` (a key of `KINDS`): (height, width, 3) linear light, mean `MEAN`."""
    scene = np.maximum(KINDS[kind](rng, height, width), 0)
    return scene * np.float32(MEAN / max(float(scene.mean()), 1e-3))


def landscape(rng: np.random.Generator, height: int, width: int) -> Floats:
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    zenith, horizon = _colour(rng, (0.54, 0.61), 0.55, 0.65), _colour(rng, (0.0, 1.0), 0.15, 0.85)
    clouds = _smoothstep(fractal(rng, height, width, 1.7, stretch=2.5), 0.5, 0.8)
    image = _mix(_mix(zenith, horizon, np.sqrt(down)), np.float32(0.85), clouds * 0.8)
    ridges = int(rng.integers(2, 5))
    base = rng.uniform(0.3, 0.5)
    for near in np.linspace(0.25, 1, ridges):
        line = base + 0.35 * near * (fractal(rng, 1, width, rng.uniform(1.2, 2.0)) - 0.3)
        base += 0.5 / ridges
        soil = _colour(rng, (0.08, 0.42), 0.5, 0.45)
        rough = fractal(rng, height, width, rng.uniform(0.9, 1.5), stretch=1.5)
        lit = soil * (0.25 + 1.5 * rough[..., None] * lambert(rng, rough, 12)[..., None])
        image = _mix(image, _mix(horizon, lit, float(near)), _step((down - line) * height))
    return image


def leaves(rng: np.random.Generator, height: int, width: int) -> Floats:
    hue = rng.choice([0.08, 0.2, 0.27, 0.3, 0.33, 0.95])
    canvas = _Canvas(height, width, _colour(rng, (hue, hue), 0.5, 0.12))
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    shape = np.stack([np.cos(turn), rng.uniform(0.3, 0.8) * np.sin(turn) ** 3], axis=1)
    count = 1100
    sizes = np.sort(np.clip(4 * rng.pareto(1.3, count) + 4, 0, height / 7))[::-1]
    depth = np.linspace(0.3, 1, count)
    for size, near in zip(sizes, depth, strict=True):
        angle = rng.uniform(0, 2 * np.pi)
        rotate = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        middle = rng.uniform(0, (width, height))
        tint = _colour(rng, (hue - 0.06, hue + 0.06), rng.uniform(0.3, 0.8), 1.0)
        canvas.polygon(shape @ rotate * size + middle, tint * near * rng.uniform(0.2, 0.8))
    light = 0.4 + 1.2 * fractal(rng, height, width, 1.8)
    return canvas.linear() * (light * _grain(rng, height, width, 0.25))[..., None]


def street(rng: np.random.Generator, height: int, width: int) -> Floats:
    sky = _colour(rng, (0.53, 0.62), rng.uniform(0, 0.5), 0.85)
    canvas = _Canvas(height, width, sky)
    lean, slope = rng.uniform(-0.06, 0.06), rng.uniform(-0.25, 0.25)

    def place(x: float, y: float) -> tuple[float, float]:
        return x + lean * y, y + slope * (x - width / 2) * (y / height - 0.75)

    def box(x0: float, y0: float, x1: float, y1: float, tint: Floats) -> None:
        corners = [place(x0, y0), place(x1, y0), place(x1, y1), place(x0, y1)]
        canvas.polygon(np.array(corners), tint)

    left = -60.0
    while left < width + 60:
        wide, top = rng.uniform(0.15, 0.4) * width, rng.uniform(0.02, 0.45) * height
        wall = _colour(rng, (0.0, 0.15), rng.uniform(0.05, 0.55), rng.uniform(0.15, 0.7))
        box(left, top, left + wide, height * 1.3, wall)
        box(left - 3, top - 5, left + wide + 3, top + 4, wall * 0.6)
        columns, storey = int(rng.integers(2, 6)), rng.uniform(0.09, 0.16) * height
        cell = wide / columns
        pane = _colour(rng, (0.5, 0.7), 0.3, 0.15)
        for row in np.arange(top + 0.3 * storey, height * 1.2, storey):
            for x in left + cell * np.arange(columns):
                glass = pane * rng.uniform(0.3, 2.5)
                x0, x1 = x + 0.22 * cell, x + 0.78 * cell
                box(x0 - 3, row - 3, x1 + 3, row + 0.6 * storey + 3, np.minimum(wall * 1.5, 0.95))
                box(x0, row, x1, row + 0.6 * storey, glass)
                middle = (x0 + x1) / 2
                box(middle - 1, row, middle + 1, row + 0.6 * storey, wall * 0.5)
        left += wide
    road = height * rng.uniform(0.82, 0.95)
    box(-width, road, 2 * width, height * 2, _colour(rng, (0, 1), 0.05, 0.25))
    light = 0.6 + 0.8 * fractal(rng, height, width, 1.9)
    return canvas.linear() * (light * _grain(rng, height, width, 0.3))[..., None]


def table(rng: np.random.Generator, height: int, width: int) -> Floats:
    y, x = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)
    edge = height * float(rng.uniform(0.35, 0.55))
    wood = fractal(rng, height, width, 1.0, stretch=9)
    grain = _grain(rng, height, width, 0.2)[..., None]
    top = _colour(rng, (0.03, 0.12), 0.55, 0.7) * (0.3 + 0.9 * wood)[..., None]
    wall = _colour(rng, (0, 1), 0.25, 0.6) * grain * (0.5 + 0.5 * x / width)[:, None]
    image = _mix(wall, top, _step(y - edge))
    for foot in np.sort(rng.uniform(edge, height, int(rng.integers(5, 9)))).tolist():
        radius = height * rng.uniform(0.05, 0.11) * (0.5 + foot / height)
        middle = rng.uniform(0, width)
        rows = slice(max(0, int(foot - 3 * radius)), int(foot + 2 * radius))
        columns = slice(max(0, int(middle - 3 * radius)), int(middle + 3 * radius))
        part = image[rows, columns]
        u, v = (x[columns] - middle) / radius, (y[rows] - foot) / radius + 1
        part[:] = _ball(rng, part, grain[rows, columns], u, v)
    return image


def _ball(rng: np.random.Generator, behind: Floats, grain: Floats, u: Floats, v: Floats) -> Floats:
    """A striped ball and its shadow. u, v: distance right and down from its middle, in radii."""
    depth = np.sqrt(np.maximum(1 - u * u - v * v, 0))
    facing = np.maximum(0.5 * u - 0.5 * v + 0.7 * depth, 0)
    stripes = _step(6 * np.sin(rng.uniform(1, 9) * (u + rng.uniform(-1, 1) * v)))
    skin = _mix(_colour(rng, (0, 1), 0.7, 0.7), _colour(rng, (0, 1), 0.4, 0.9), stripes) * grain
    ball = skin * (0.12 + 0.9 * facing)[..., None] + 0.6 * (facing**40)[..., None]
    shadow = 1 - 0.7 * np.exp(-((u + 0.5) ** 2) - (4 * (v - 1)) ** 2)[..., None]
    return _mix(behind * shadow, ball, _step((1 - np.hypot(u, v)) * 40))


def ground(rng: np.random.Generator, height: int, width: int) -> Floats:
    surface = fractal(rng, height, width, rng.uniform(1.1, 1.7), stretch=rng.choice([1, 1, 4]))
    first, second = _colour(rng, (0, 1), 0.25, 0.35), _colour(rng, (0.02, 0.15), 0.4, 0.7)
    patches = _smoothstep(fractal(rng, height, width, 1.4), 0.35, 0.65)
    light = lambert(rng, surface, rng.uniform(15, 50))
    return _mix(first, second, patches) * (0.1 + 1.4 * light)[..., None]


def cloth(rng: np.random.Generator, height: int, width: int) -> Floats:
    y, x = np.mgrid[:height, :width].astype(np.float32)
    folds, angle = fractal(rng, height, width, 2.4), rng.uniform(0, np.pi)
    image = np.broadcast_to(_colour(rng, (0, 1), 0.5, 0.5), (height, width, 3))
    for turn in (angle, angle + np.pi / 2):
        across = x * np.cos(turn) + y * np.sin(turn) + rng.uniform(20, 120) * folds
        for _ in range(2):
            wave = np.sin(2 * np.pi * across / rng.uniform(18, 120) + rng.uniform(0, 6))
            stripe = _step(6 * (wave - rng.uniform(0, 0.9)))
            image = _mix(image, _colour(rng, (0, 1), 0.5, rng.uniform(0.1, 0.9)), 0.7 * stripe)
    thread = 1 + 0.15 * np.sin(x * 1.3) * np.sin(y * 1.3)
    light = (0.3 + 1.2 * lambert(rng, folds, 60)) * thread * _grain(rng, height, width, 0.2)
    return np.asarray(image * light[..., None], np.float32)


KINDS: dict[str, Scene] = {
    kind.__name__: kind for kind in (landscape, leaves, street, table, ground, cloth)
}


def fractal(
    rng: np.random.Generator, height: int, width: int, slope: float, stretch: float = 1
) -> Floats:
    """(height, width) noise with amplitude 1/frequency**slope, scaled to mean 0.5 within 0..1.

    stretch: how many times longer its features are across than down.
    """
    down = np.fft.fftfreq(height).astype(np.float32)[:, None]
    across = np.fft.rfftfreq(width).astype(np.float32) * np.float32(stretch)
    frequency = down**2 + across**2
    frequency[0, 0] = np.inf
    random = rng.standard_normal((*frequency.shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
    noise = np.fft.irfft2(random * frequency ** np.float32(-slope / 2), s=(height, width))
    return np.asarray(np.clip(0.5 + noise / (5 * noise.std()), 0, 1), np.float32)


def lambert(rng: np.random.Generator, surface: Floats, relief: float) -> Floats:
    """Light from one side on a height map: cosine of the angle to the sun, 0 in the shade."""
    angle = rng.uniform(0, 2 * np.pi)
    down, across = np.gradient(surface * np.float32(relief))
    facing = 1 - np.cos(angle) * across - np.sin(angle) * down
    return np.asarray(np.maximum(facing, 0) / np.sqrt(2 * (1 + across**2 + down**2)), np.float32)


class _Canvas:
    """Polygons in linear colours, drawn at twice the size and averaged for smooth edges."""

    def __init__(self, height: int, width: int, background: Floats) -> None:
        self.image = Image.new("RGB", (2 * width, 2 * height), self._ink(background))
        self.pen = ImageDraw.Draw(self.image)

    def polygon(self, corners: NDArray[np.floating], tint: Floats) -> None:
        """corners: (N, 2) of x, y in pixels of the finished image."""
        self.pen.polygon([(2 * x, 2 * y) for x, y in corners.tolist()], self._ink(tint))

    def linear(self) -> Floats:
        """The finished (H, W, 3) image."""
        level: Floats = np.asarray(self.image.reduce(2), np.float32) / np.float32(255)
        return level * level

    @staticmethod
    def _ink(tint: Floats) -> tuple[int, int, int]:
        red, green, blue = (255 * np.sqrt(np.clip(tint, 0, 1))).astype(int).tolist()
        return red, green, blue


def _colour(
    rng: np.random.Generator, hues: tuple[float, float], saturation: float, value: float
) -> Floats:
    """A linear RGB colour with its hue (0..1, red 0, green 1/3) drawn between the `hues`."""
    hue = rng.uniform(*hues)
    wheel = np.clip(np.abs((hue + np.array([0, 2 / 3, 1 / 3])) % 1 * 6 - 3) - 1, 0, 1)
    return np.asarray((value * (1 - saturation + saturation * wheel)) ** 1.5, np.float32)


def _grain(rng: np.random.Generator, height: int, width: int, depth: float) -> Floats:
    """A fine texture with mean 1, as a factor."""
    return 1 + np.float32(2 * depth) * (fractal(rng, height, width, 0.7) - np.float32(0.5))


def _mix(below: Floats, above: Floats | np.float32, share: Floats | float) -> Floats:
    """`above` laid over `below`; share (H, W) or one number, 1 shows `above`."""
    weight = np.asarray(share, np.float32)[..., None]
    return below + (above - below) * weight


def _step(distance: Floats) -> Floats:
    """1 where a signed distance in pixels is positive, with an edge of one pixel."""
    return np.asarray(np.clip(distance + 0.5, 0, 1), np.float32)


def _smoothstep(value: Floats, low: float, high: float) -> Floats:
    ramp = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(ramp * ramp * (3 - 2 * ramp), np.float32)
