"""The embedded rooms: geometry that agrees with itself, and files that depend on seed and index alone."""

from pathlib import Path

import numpy as np
import pytest

from segtrain.synthetic import write_rooms
from segtrain.synthetic.room_views import View, encode_hha, render_room
from segtrain.synthetic.room_views.furniture import CEILING, FLOOR, THINGS, WALL


@pytest.fixture(scope="module")
def views() -> list[View]:
    return [render_room(np.random.default_rng([1, index]), 48, 64, index % len(THINGS)) for index in range(40)]


def test_a_room_has_floor_walls_and_things_of_every_kind(views: list[View]) -> None:
    labels = np.stack([view.labels for view in views])
    share = np.bincount(labels.ravel(), minlength=41) / labels.size
    assert share[[WALL, FLOOR]].min() > 0.08
    assert 0.2 < share[[WALL, FLOOR, CEILING]].sum() < 0.9
    assert 0.005 < share[0] < 0.1
    assert (share > 0).sum() >= 38
    assert sorted({thing.label for thing in THINGS} | {WALL, FLOOR, CEILING}) == list(range(1, 41))


def test_what_is_further_down_on_the_floor_is_nearer(views: list[View]) -> None:
    for view in views[:10]:
        floor = view.labels == FLOOR
        rows = [np.median(view.depth_mm[row][floor[row]]) for row in range(48) if floor[row].sum() > 8]
        assert np.corrcoef(np.arange(len(rows)), rows)[0, 1] < -0.8


def test_hha_tells_the_floor_from_the_walls_by_height_and_angle(views: list[View]) -> None:
    view = views[0]
    floor, wall, ceiling = (view.hha[view.labels == label].astype(float) for label in (FLOOR, WALL, CEILING))
    assert floor[:, 1].max() < 20
    assert floor[:, 2].max() < 5
    assert np.allclose(wall[:, 2], 127, atol=2)
    assert not len(ceiling) or ceiling[:, 2].min() > 250


def test_hha_by_hand() -> None:
    found = encode_hha(np.array([[1.0, 2.0]]), np.array([[0.0, 1.5]]), np.array([[1.0, 0.0]]))
    assert found.tolist() == [[[127, 0, 0], [63, 127, 127]]]


def test_files_depend_on_seed_and_index_alone(tmp_path: Path) -> None:
    found = []
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        write_rooms(tmp_path / name, trainval=2, test=1, height=32, width=48, seed=seed)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        found.append({str(path.relative_to(tmp_path / name)): path.read_bytes() for path in files})
    assert found[0] == found[1]
    assert found[0]["nyud/segmentation/img_5001.mat"] != found[2]["nyud/segmentation/img_5001.mat"]
