"""What holds for every dataset by its name."""

import subprocess
import sys
from typing import get_args

import pytest

from segtrain import config
from segtrain.data import DATASETS
from segtrain.data.spec import IGNORE, held_out


def test_the_datasets_are_those_that_a_trial_can_name() -> None:
    assert tuple(DATASETS) == get_args(config.Dataset)
    assert all(dataset.name == name for name, dataset in DATASETS.items())


@pytest.mark.parametrize("name", DATASETS)
def test_every_class_has_a_colour_and_a_label_of_its_own(name: str) -> None:
    dataset = DATASETS[name]
    count = len(dataset.classes)
    assert len(set(dataset.classes)) == len(dataset.palette) == len(set(dataset.palette)) == count
    assert sorted(train_id for train_id in dataset.train_ids.values() if train_id != IGNORE) == list(range(count))


def test_data_are_read_without_torch() -> None:
    """The analysis looks at data, and starts in a blink."""
    code = "import sys, segtrain.data, segtrain.data.cache; print([m for m in sys.modules if m.startswith('torch')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_what_is_held_out_depends_on_the_names_alone() -> None:
    names = [f"n{index}" for index in range(100)]
    held = held_out(names, 10)
    assert len(held) == 10
    assert held == held_out(reversed(names), 10)
    assert held < held_out(names, 20)
    assert held_out(names, 0) == set()
    assert held_out(["a\udce4"], 1) == {"a\udce4"}  # a name in Latin-1
    assert held - {"n0"} <= held_out(names[1:], 10)
