"""Simulated cameras for `sample`: from light to JPEG bytes, as a real camera does it.

    lens       slight blur, darker corners
    sensor     one colour for each site (the colour-filter layout), a fixed sensitivity for each
               site (PRNU), shot and read noise, clipping
    demosaic   the two missing colours of every pixel, by one of five methods
    denoise    small detail is shrunk, colour is smoothed
    tone       white balance, gamma 1/2.2 and a mild S-curve
    sharpen    unsharp mask, with its halos
    JPEG       its own quantisation (by quality) and chroma subsampling

Cameras differ only in these steps. All of them have the same white balance and exposure, so that
colour and brightness do not distinguish them, only the traces of the steps above.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.floating]  # always float32
Demosaic = Callable[[Floats, str], Floats]


@dataclass(frozen=True)
class Camera:
    """A camera model. Levels are shares of full scale, in linear light unless noted.

    layout: colours of the 2×2 sites, row by row.
    prnu: standard deviation of the sites' sensitivity.
    shot, read: the noise variance is shot × level + read².
    shrink: detail below this level (after the tone curve) counts as noise.
    smooth: passes of the colour blur.
    contrast: contrast of the S-curve.
    sharpen, radius: strength and sigma (in pixels) of the unsharp mask.
    """

    name: str
    layout: str
    demosaic: Demosaic
    prnu: float
    shot: float
    read: float
    shrink: float
    smooth: int
    contrast: float
    sharpen: float
    radius: float
    quality: int
    subsampling: str

    def sensitivity(self, rng: np.random.Generator, height: int, width: int) -> Floats:
        """The sensor's fixed pattern: (height, width), mean 1."""
        return 1 + np.float32(self.prnu) * rng.standard_normal((height, width), dtype=np.float32)

    def photograph(self, scene: Floats, pattern: Floats, rng: np.random.Generator) -> bytes:
        """The JPEG of an (H, W, 3) `scene` in linear light, with the sensor's `pattern`."""
        height, width = pattern.shape
        exposure = np.float32(2 ** rng.uniform(-0.4, 0.4))
        balance = np.exp(0.04 * rng.standard_normal(3, dtype=np.float32))
        light = blur(scene, rng.uniform(0.45, 0.6)) * _vignette(height, width) * exposure

        mosaic = np.zeros((height, width), np.float32)
        gains = {"R": 1.9, "G": 1.0, "B": 1.6}  # a silicon sensor sees less red and blue
        for colour, sites in sites_of(self.layout):
            level = light[sites][..., "RGB".index(colour)] * pattern[sites] / gains[colour]
            noise = rng.standard_normal(level.shape, dtype=np.float32)
            level = level + noise * np.sqrt(self.shot * level + self.read**2)
            mosaic[sites] = np.clip(level, 0, 1) * gains[colour]

        linear = np.clip(self.demosaic(mosaic, self.layout) * balance, 0, 1)
        image = self._denoise(linear ** np.float32(1 / 2.2))
        image += self.contrast * image * (1 - image) * (image - np.float32(0.5))
        image += self.sharpen * (luma(image) - blur(luma(image), self.radius))
        return self._jpeg(np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8))

    def _denoise(self, image: Floats) -> Floats:
        bright = luma(image)
        colour: Floats = image - bright
        for _ in range(self.smooth):
            colour = blur(colour, 1.2)
        if self.shrink:
            base = blur(bright, 1.0)
            detail = bright - base
            bright = base + detail - np.clip(detail, -self.shrink, self.shrink)
        return bright + colour

    def _jpeg(self, image: NDArray[np.uint8]) -> bytes:
        file = io.BytesIO()
        Image.fromarray(image).save(
            file, "JPEG", quality=self.quality, subsampling=self.subsampling, optimize=False
        )
        return file.getvalue()


def nearest(mosaic: Floats, layout: str) -> Floats:
    """Each 2×2 cell gets one colour: its red, its blue and the mean of its greens."""
    image = np.zeros((mosaic.shape[0] // 2, mosaic.shape[1] // 2, 3), np.float32)
    for colour, sites in sites_of(layout):
        image[..., "RGB".index(colour)] += mosaic[sites] / layout.count(colour)
    return image.repeat(2, 0).repeat(2, 1)


def bilinear(mosaic: Floats, layout: str) -> Floats:
    """The mean of the nearest sites of each colour."""
    return np.stack([_spread(mosaic, layout, colour) for colour in "RGB"], axis=-1)


def constant_hue(mosaic: Floats, layout: str) -> Floats:
    """Bilinear green; red and blue as bilinear differences to it (Cok 1987, with differences)."""
    return _by_difference(mosaic, layout, _spread(mosaic, layout, "G"))


def edge_aware(mosaic: Floats, layout: str) -> Floats:
    """Green along the smoother direction, corrected by the site's own colour (Hamilton 1997)."""
    line = np.array([-1, 2, 2, 2, -1], np.float32)[None] / np.float32(4)
    bend = np.array([-1, 0, 2, 0, -1], np.float32)[None]
    slope = np.array([-1, 0, 1], np.float32)[None]
    across = np.abs(convolve(mosaic, bend)) + np.abs(convolve(mosaic, slope))
    down = np.abs(convolve(mosaic, bend.T)) + np.abs(convolve(mosaic, slope.T))
    green = np.where(across < down, convolve(mosaic, line), convolve(mosaic, line.T))
    for colour, sites in sites_of(layout):
        if colour == "G":
            green[sites] = mosaic[sites]
    return _by_difference(mosaic, layout, green)


def malvar(mosaic: Floats, layout: str) -> Floats:
    """Bilinear corrected by the Laplacian of the site's own colour (Malvar et al. 2004)."""
    at_cross = convolve(mosaic, MALVAR_GREEN)
    along, across = convolve(mosaic, MALVAR_ROW), convolve(mosaic, MALVAR_ROW.T)
    diagonal = convolve(mosaic, MALVAR_DIAGONAL)
    image = np.empty((*mosaic.shape, 3), np.float32)
    for (colour, sites), row in zip(sites_of(layout), (0, 0, 2, 2), strict=True):
        image[sites] = mosaic[sites][..., None]
        if colour == "G":
            red_row = "R" in layout[row : row + 2]
            image[(*sites, 0)] = (along if red_row else across)[sites]
            image[(*sites, 2)] = (across if red_row else along)[sites]
        else:
            image[(*sites, 1)] = at_cross[sites]
            image[(*sites, 2 if colour == "R" else 0)] = diagonal[sites]
    return image


# Malvar, He, Cutler: High-quality linear interpolation for demosaicing, ICASSP 2004, figure 2.
MALVAR_GREEN = np.array(
    [[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]],
    np.float32,
) / np.float32(8)
MALVAR_ROW = np.array(
    [[0, 0, 1, 0, 0], [0, -2, 0, -2, 0], [-2, 8, 10, 8, -2], [0, -2, 0, -2, 0], [0, 0, 1, 0, 0]],
    np.float32,
) / np.float32(16)
MALVAR_DIAGONAL = np.array(
    [[0, 0, -3, 0, 0], [0, 4, 0, 4, 0], [-3, 0, 12, 0, -3], [0, 4, 0, 4, 0], [0, 0, -3, 0, 0]],
    np.float32,
) / np.float32(16)
CROSS = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]], np.float32) / np.float32(4)
SQUARE = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32) / np.float32(4)

# name, layout, demosaic, prnu, shot, read, shrink, smooth, contrast, sharpen, radius, quality, …
CAMERAS = (
    Camera("Alder-One", "RGGB", bilinear, 0.012, 6e-4, 0.003, 0, 0, 0.5, 0.0, 1.0, 92, "4:2:0"),
    Camera("Birch-M2", "GRBG", malvar, 0.010, 1e-3, 0.004, 0, 0, 0.7, 0.8, 0.7, 92, "4:4:4"),
    Camera("Cedar-Mini", "BGGR", edge_aware, 0.015, 8e-4, 0.004, 0.03, 3, 0.7, 1.5, 2, 88, "4:2:0"),
    Camera("Elm-Pro", "GBRG", edge_aware, 0.005, 1e-4, 0.001, 0, 0, 0.5, 0.8, 0.6, 95, "4:2:2"),
    Camera("Fern-Pocket", "RGGB", nearest, 0.015, 4e-4, 0.003, 0, 0, 0.6, 0.0, 1.0, 90, "4:2:2"),
    Camera("Hazel-7", "GRBG", constant_hue, 0.012, 4e-4, 0.003, 0, 1, 0.6, 2.0, 0.8, 85, "4:2:0"),
)


def sites_of(layout: str) -> list[tuple[str, tuple[slice, slice]]]:
    """The four (colour, slices of its sites) of a colour-filter layout, row by row."""
    return [
        (colour, (slice(place // 2, None, 2), slice(place % 2, None, 2)))
        for place, colour in enumerate(layout)
    ]


def convolve(image: Floats, kernel: Floats) -> Floats:
    """An (H, W) image convolved with a small symmetric kernel. Edges are mirrored, which keeps
    the filter layout."""
    down, across = kernel.shape[0] // 2, kernel.shape[1] // 2
    padded = np.pad(image, ((down, down), (across, across)), mode="reflect")
    result = np.zeros_like(image)
    for (y, x), weight in np.ndenumerate(kernel):
        if weight:
            result += weight * padded[y : y + image.shape[0], x : x + image.shape[1]]
    return result


def blur(image: Floats, sigma: float) -> Floats:
    """Gaussian blur of an (H, W, C) image, edges repeated."""
    reach = int(np.ceil(2.5 * sigma))
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    bell /= bell.sum()
    for axis in (0, 1):
        edges = [(reach, reach) if axis == other else (0, 0) for other in range(3)]
        padded = np.pad(image, edges, mode="edge")
        size = image.shape[axis]
        image = np.zeros_like(image)
        for start, weight in enumerate(bell.astype(np.float32)):
            shifted = slice(start, start + size)
            image += weight * (padded[shifted] if axis == 0 else padded[:, shifted])
    return image


def luma(image: Floats) -> Floats:
    """(H, W, 1) brightness of an (H, W, 3) image."""
    return (image @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]


def _spread(mosaic: Floats, layout: str, colour: str) -> Floats:
    alone = np.zeros_like(mosaic)
    for found, sites in sites_of(layout):
        if found == colour:
            alone[sites] = mosaic[sites]
    return convolve(alone, CROSS if colour == "G" else SQUARE)


def _by_difference(mosaic: Floats, layout: str, green: Floats) -> Floats:
    rest = mosaic - green
    return np.stack(
        [green if c == "G" else green + _spread(rest, layout, c) for c in "RGB"], axis=-1
    )


def _vignette(height: int, width: int) -> Floats:
    y, x = np.linspace(-0.6, 0.6, height)[:, None], np.linspace(-0.8, 0.8, width)
    return np.asarray(1 - 0.25 * (y**2 + x**2), np.float32)[..., None]
