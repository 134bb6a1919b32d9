"""From the drawn canvas to the picture: texture, light and haze, then the camera's blur and noise."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from segtrain.synthetic.road_scenes.looks import GRAIN_PX, Range
from segtrain.synthetic.road_scenes.scene import BY_ROW, VIEW_M, Scene


def _distance_by_row(scene: Scene) -> npt.NDArray[np.float64]:
    """(2H,) metres to the ground below the horizon; above it, what clears the sky from haze to zenith."""
    rows = np.arange(scene.height) - scene.horizon
    ground = np.minimum(scene.focal * scene.camera_y / np.maximum(rows, 0.5), 3 * VIEW_M)
    return np.where(rows >= 0, ground, (1 + rows / scene.horizon) * 1.2 / scene.haze_per_m)


def noise(rng: np.random.Generator, size: tuple[int, int], grain_px: int) -> npt.NDArray[np.float32]:
    """Blotches of about `grain_px`, of mean 0 and at most unit variance: (H, W) for a PIL `size` (W, H)."""
    width, height = size
    coarse = Image.fromarray(rng.standard_normal((height // grain_px + 1, width // grain_px + 1), dtype=np.float32))
    return np.asarray(coarse.resize(size, Image.Resampling.BILINEAR))


def expose(rng: np.random.Generator, canvas: npt.NDArray[np.floating], grey_levels: Range) -> npt.NDArray[np.uint8]:
    """(2H, 2W, 3) -> (H, W, 3): what a camera makes of it, with its blur and a noise of that standard deviation."""
    image = (canvas[::2, ::2] + canvas[1::2, ::2] + canvas[::2, 1::2] + canvas[1::2, 1::2]) / 4
    lens = ImageFilter.GaussianBlur(rng.uniform(0.1, 0.7))
    blurred = np.asarray(Image.fromarray(image.clip(0, 255).astype(np.uint8)).filter(lens), dtype=np.float32)
    blurred += rng.standard_normal(image.shape, dtype=np.float32) * rng.uniform(*grey_levels)
    return blurred.clip(0, 255).astype(np.uint8)


def develop(scene: Scene) -> npt.NDArray[np.uint8]:
    """(H, W, 3): texture, light, haze, then the camera's own blur and noise."""
    rng, look, ids = scene.rng, scene.look, np.asarray(scene.ids)
    table = np.asarray(scene.surfaces, dtype=np.float32)
    colour, (texture, strength, distance) = table[:, :3][ids], (table[:, column][ids] for column in (3, 4, 5))
    by_row = distance == BY_ROW
    noises = np.stack([noise(rng, scene.ids.size, grain_px) for grain_px in GRAIN_PX])
    light = 1 + strength * np.take_along_axis(noises, texture.astype(np.intp)[None], axis=0)[0]
    slope = rng.uniform(-0.15, 0.15)
    light *= np.linspace(1 - slope, 1 + slope, scene.width, dtype=np.float32)
    light *= 1 - rng.uniform(0.2, 0.55) * (np.asarray(scene.shadows) > 0) * (by_row & (ids > 0))
    distance = np.where(by_row, _distance_by_row(scene)[:, None].astype(np.float32), distance)
    clear = np.exp(-scene.haze_per_m * distance)[..., None]
    warmth = rng.uniform(*look.warmth)
    gain = np.array([1 + warmth, 1, 1 - warmth], np.float32) * rng.uniform(*look.brightness)
    canvas = (colour * light[..., None] * clear + np.array(look.haze, np.float32) * (1 - clear)) * gain
    return expose(rng, canvas, look.noise)
