from pathlib import Path

import numpy as np
import pytest

from analysis.read.arrays import read_array
from segtrain.records import RecordError


def test_arrays_of_both_kinds_of_file(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", [[1, 2]])
    np.savez_compressed(tmp_path / "b.npz", tpr=[0.5])
    assert read_array(tmp_path / "a.npy").tolist() == [[1, 2]]
    assert read_array(tmp_path / "b.npz", "tpr").tolist() == [0.5]


@pytest.mark.parametrize(("array", "key"), [(["a"], None), ([{}], None), ([1.0], "fpr")])
def test_what_is_no_array_of_numbers_is_an_error(tmp_path: Path, array: list[object], key: str | None) -> None:
    path = tmp_path / ("b.npz" if key else "a.npy")
    np.savez(path, tpr=array) if key else np.save(path, np.array(array), allow_pickle=True)
    with pytest.raises(RecordError) as caught:
        read_array(path, key)
    assert str(caught.value).startswith(f"{path} ")
