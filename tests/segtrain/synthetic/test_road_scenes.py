"""The embedded road scenes: what the demo and the studies rely on, measured on the scenes themselves."""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from segtrain.synthetic import Style, road_scenes, write_scenes
from segtrain.synthetic.road_scenes import render_scene

CLASSES = 13
PEDESTRIAN, POLE, ROAD_LINE, SIGN = 4, 5, 6, 12
HEIGHT, WIDTH = 96, 128
STYLES: tuple[Style, ...] = get_args(Style)

Bytes = npt.NDArray[np.uint8]


@pytest.fixture(scope="module", params=STYLES)
def sample(request: pytest.FixtureRequest) -> tuple[Bytes, Bytes]:
    """80 scenes of one style: images (80, H, W, 3) and labels (80, H, W)."""
    rendered = [render_scene(np.random.default_rng([1, index]), HEIGHT, WIDTH, request.param) for index in range(80)]
    return np.stack([image for image, _ in rendered]), np.stack([labels for _, labels in rendered])


def majority_at_stride(labels: Bytes, stride: int) -> Bytes:
    """The best that a network could say with one label for each stride x stride block: (N, H, W)."""
    n, h, w = labels.shape
    blocks = labels.reshape(n, h // stride, stride, w // stride, stride)
    counts = np.stack([(blocks == label).sum(axis=(2, 4)) for label in range(CLASSES)])
    majority: Bytes = counts.argmax(axis=0).astype(np.uint8)
    return majority.repeat(stride, axis=1).repeat(stride, axis=2)


def iou(truth: Bytes, predicted: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """Per class, over all images together."""
    both = [((truth == label) & (predicted == label)).sum() for label in range(CLASSES)]
    either = [((truth == label) | (predicted == label)).sum() for label in range(CLASSES)]
    return np.array(both, dtype=np.float64) / np.array(either, dtype=np.float64)


def read(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*.png"))}


@pytest.mark.parametrize("style", STYLES)
def test_the_same_generator_state_gives_the_same_scene(style: Style) -> None:
    first, again, other = (render_scene(np.random.default_rng(seed), HEIGHT, WIDTH, style) for seed in (5, 5, 6))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(first[1], other[1])


@pytest.mark.parametrize(("height", "width"), [(32, 32), (75, 101), (192, 256)])
def test_shapes_and_types_hold_at_any_size(height: int, width: int) -> None:
    image, labels = render_scene(np.random.default_rng(0), height, width, "target")
    assert image.shape == (height, width, 3)
    assert image.dtype == np.uint8
    assert labels.shape == (height, width)
    assert labels.dtype == np.uint8


def test_the_size_scales_the_scene_and_does_not_crop_it() -> None:
    small, large = (render_scene(np.random.default_rng(3), side, side * 4 // 3, "target")[1] for side in (96, 192))
    assert (small == large[::2, ::2]).mean() > 0.9


def test_every_class_is_in_a_quarter_of_the_images(sample: tuple[Bytes, Bytes]) -> None:
    _, labels = sample
    share = np.array([(labels == label).any(axis=(1, 2)).mean() for label in range(CLASSES)])
    assert labels.max() < CLASSES
    assert (share >= 0.25).all(), share


def test_every_class_has_pixels_enough_to_learn(sample: tuple[Bytes, Bytes]) -> None:
    _, labels = sample
    share = np.bincount(labels.ravel(), minlength=CLASSES) / labels.size
    assert share.min() > 0.003, share
    assert share.max() < 0.5, share


def test_a_finer_stride_has_a_higher_ceiling(sample: tuple[Bytes, Bytes]) -> None:
    """FCN-8s can beat FCN-16s, and that one FCN-32s, only where detail counts."""
    _, labels = sample
    ceiling = {stride: iou(labels, majority_at_stride(labels, stride)).mean() for stride in (8, 16, 32)}
    assert ceiling[8] > ceiling[16] + 0.1 > ceiling[32] + 0.2, ceiling


@pytest.mark.parametrize("label", [PEDESTRIAN, POLE, ROAD_LINE, SIGN])
def test_thin_objects_are_lost_at_stride_32_and_not_at_stride_8(sample: tuple[Bytes, Bytes], label: int) -> None:
    _, labels = sample
    kept = {s: (majority_at_stride(labels, s)[labels == label] == label).mean() for s in (2, 8, 32)}
    assert kept[32] < 0.1 < kept[8] < 0.6 < kept[2], kept


def test_colour_alone_does_not_tell_the_classes(sample: tuple[Bytes, Bytes]) -> None:
    """Even the best guess for each of 512 colours, fitted on the very same images, is far from the truth."""
    images, labels = sample
    colour = (images // 32).astype(int) @ np.array([64, 8, 1])
    counts = np.zeros((512, CLASSES), dtype=int)
    np.add.at(counts, (colour, labels), 1)
    assert iou(labels, counts.argmax(axis=1)[colour]).mean() < 0.25


def test_the_styles_look_different_in_the_same_world() -> None:
    def mean(style: Style, part: int) -> npt.NDArray[np.float64]:
        scene = [render_scene(np.random.default_rng([2, index]), HEIGHT, WIDTH, style)[part] for index in range(30)]
        stack = np.stack(scene)
        return stack.mean(axis=(0, 1, 2)) if part == 0 else np.bincount(stack.ravel(), minlength=CLASSES) / stack.size

    red, _, blue = mean("source", 0) - mean("target", 0)
    assert red - blue > 20
    assert np.abs(mean("source", 1) - mean("target", 1)).max() < 0.1


def test_the_carla_layout_is_written_with_the_class_in_red_alone(tmp_path: Path) -> None:
    root = tmp_path / "missing" / "scenes"
    write_scenes(root, "target", {"dataA": 2, "dataB": 1}, HEIGHT, WIDTH, seed=7)
    assert sorted(read(root)) == [
        "dataA/dataA/CameraRGB/000000.png", "dataA/dataA/CameraRGB/000001.png",
        "dataA/dataA/CameraSeg/000000.png", "dataA/dataA/CameraSeg/000001.png",
        "dataB/dataB/CameraRGB/000000.png", "dataB/dataB/CameraSeg/000000.png",
    ]  # fmt: skip
    image = np.asarray(Image.open(root / "dataB/dataB/CameraRGB/000000.png"))
    mask = np.asarray(Image.open(root / "dataB/dataB/CameraSeg/000000.png"))
    expected_image, expected_labels = render_scene(np.random.default_rng([7, 0, 2]), HEIGHT, WIDTH, "target")
    assert np.array_equal(image, expected_image)
    assert np.array_equal(mask[..., 0], expected_labels)
    assert mask.shape == (HEIGHT, WIDTH, 3)
    assert not mask[..., 1:].any()


def test_a_scene_depends_on_seed_style_and_index_alone(tmp_path: Path) -> None:
    def last_scene(name: str, style: Style, counts: dict[str, int], seed: int) -> bytes:
        write_scenes(tmp_path / name, style, counts, HEIGHT, WIDTH, seed)
        return list(read(tmp_path / name).items())[-1][1]

    scene = last_scene("a", "target", {"dataA": 3}, 7)
    np.random.seed(0)  # noqa: NPY002 - the global generator must not matter
    assert last_scene("b", "target", {"dataA": 1, "dataB": 2}, 7) == scene
    assert last_scene("c", "target", {"dataA": 2}, 7) != scene
    assert last_scene("d", "target", {"dataA": 3}, 8) != scene
    assert last_scene("e", "source", {"dataA": 3}, 7) != scene


def test_a_root_that_exists_is_left_as_it_is(tmp_path: Path) -> None:
    root = tmp_path / "scenes"
    root.mkdir()
    (root / "mine.txt").write_text("kept")
    write_scenes(root, "target", {"dataA": 1}, HEIGHT, WIDTH, seed=0)
    assert [path.name for path in root.iterdir()] == ["mine.txt"]


def test_nothing_is_left_when_the_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing_on_third(real: Callable[..., tuple[Bytes, Bytes]]) -> Callable[..., tuple[Bytes, Bytes]]:
        calls = []

        def render(*args: object) -> tuple[Bytes, Bytes]:
            calls.append(args)
            if len(calls) == 3:
                raise OSError("disk full")
            return real(*args)

        return render

    monkeypatch.setattr(road_scenes, "render_scene", failing_on_third(render_scene))
    with pytest.raises(OSError, match="disk full"):
        write_scenes(tmp_path / "scenes", "target", {"dataA": 4}, HEIGHT, WIDTH, seed=0)
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == []


def test_two_processes_at_once_leave_one_whole_folder(tmp_path: Path) -> None:
    root, counts = tmp_path / "scenes", {"dataA": 30, "dataB": 30}
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(time.sleep, [0.5, 0.5]))  # both workers are up before either starts to write
        writers = [pool.submit(write_scenes, root, "target", counts, HEIGHT, WIDTH, seed=3) for _ in range(2)]
        seen = set()
        while not all(writer.done() for writer in writers):
            seen.add(len(read(root)) if root.exists() else 0)
            time.sleep(0.002)
        for writer in writers:
            writer.result()
    assert 0 in seen
    assert seen <= {0, 120}
    assert len(read(root)) == 120
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".lock") == ["scenes"]
