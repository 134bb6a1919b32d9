import re
from pathlib import Path
from typing import Any

import pytest

from analysis.read.trial_files.network_layers import Layer, read_layers
from segtrain import records
from segtrain.records import RecordError

GOOD = {
    "name": "encoder.a",
    "kind": "Conv2d",
    "kernel": 3,
    "stride": 1,
    "shape": [8, 2, 3],
    "parameters": 7,
    "trained": True,
    "inputs": [-1],
}


def test_what_the_trainer_writes_is_read(tmp_path: Path) -> None:
    records.write_json(tmp_path / records.NETWORK_FILE, {"layers": [GOOD]})
    assert read_layers(tmp_path) == [Layer(**GOOD)]  # type: ignore[arg-type]
    assert read_layers(tmp_path / "older") == []


@pytest.mark.parametrize(
    ("layers", "problem"),
    [
        (7, " holds no list of up to 5000 layers"),
        ([3], ", layer 0: name is None; allowed"),
        ([GOOD | {"shape": [0]}], ", layer 0: shape is [0]; allowed: a list, each a count up to a million"),
        ([GOOD | {"inputs": [0]}], ", layer 0 takes what comes after it"),
    ],
)
def test_what_is_damaged_is_named(tmp_path: Path, layers: Any, problem: str) -> None:
    records.write_json(tmp_path / records.NETWORK_FILE, {"layers": layers})
    with pytest.raises(RecordError, match=re.escape(f"{tmp_path / records.NETWORK_FILE}{problem}")):
        read_layers(tmp_path)
