"""Sets of arrays: made once, within a bound, never taken from who uses them."""

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from segtrain.errors import UserError
from segtrain.machine.array_store import GB, Array, ArrayStore, Layout, SetRecipe, StoredArrays, machine_store
from segtrain.machine.disk import DiskError

LAYOUTS = {"images": Layout((50, 4, 4), np.uint8), "scores": Layout((25,), np.float64)}
SET_BYTES = 800 + 200 + 2 * 128  # two headers


def fill(arrays: Mapping[str, Array]) -> None:
    arrays["images"][:] = np.arange(800).reshape(50, 4, 4) % 251
    arrays["scores"][:] = 0.5


def make(store: ArrayStore, name: str) -> StoredArrays:
    return store.open(name, LAYOUTS, fill)


def never(arrays: Mapping[str, Array]) -> None:
    raise AssertionError("it was there already")


def sets(store: ArrayStore) -> set[str]:
    return {path.name for path in store.root.iterdir() if path.is_dir()}


def used_at(store: ArrayStore, **times: int) -> None:
    for name, time in times.items():
        os.utime(store.root / name / "used", (time, time))


@pytest.fixture
def store(tmp_path: Path) -> ArrayStore:
    """Room for two sets, not for three."""
    return ArrayStore(tmp_path / "store", int(2.5 * SET_BYTES))


def test_a_set_is_made_once_and_read_only(store: ArrayStore) -> None:
    made = make(store, "a")
    again = store.open("a", LAYOUTS, never)
    for opened in (made, again):
        assert isinstance(opened["images"], np.memmap)
        assert not opened["images"].flags.writeable
        assert opened["images"][49, 3, 3] == 799 % 251
        assert opened["scores"].sum() == 12.5
    assert np.array_equal(np.load(store.root / "a" / "images.npy"), made["images"])


def test_the_least_recently_used_set_goes_first(store: ArrayStore) -> None:
    make(store, "a")
    make(store, "b")
    used_at(store, a=2_000, b=1_000)
    make(store, "c")
    assert sets(store) == {"a", "c"}
    used_at(store, a=1_000, c=2_000)
    store.open("a", LAYOUTS, never)  # which is a use
    make(store, "d")
    assert sets(store) == {"a", "d"}


def test_a_set_in_use_is_not_evicted(store: ArrayStore) -> None:
    held = make(store, "a")
    make(store, "b")
    used_at(store, a=1_000, b=2_000)
    make(store, "c")
    assert sets(store) == {"a", "c"}
    assert held["scores"].sum() == 12.5
    also_held = store.open("c", LAYOUTS, never)
    with pytest.raises(DiskError, match=r"SEGTRAIN_CACHE_GB allows .* GB and .* GB are in use"):
        make(store, "d")
    del held, also_held
    gc.collect()
    make(store, "d")
    assert sets(store) == {"c", "d"}


HOLDER = """
import sys
from pathlib import Path
from tests.segtrain.machine.test_array_store import LAYOUTS, never
from segtrain.machine.array_store import ArrayStore
held = ArrayStore(Path(sys.argv[1]), 10**9).open("a", LAYOUTS, never)
print("held", flush=True)
sys.stdin.readline()
"""


def test_another_process_holds_a_set_until_it_is_dead(store: ArrayStore) -> None:
    make(store, "a")
    make(store, "b")
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", HOLDER, str(store.root)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=Path(__file__).parents[3]) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        used_at(store, a=1_000, b=2_000)
        make(store, "c")
        assert sets(store) == {"a", "c"}
        other.kill()
        other.wait()
        used_at(store, a=1_000, c=2_000)
        make(store, "d")
    assert sets(store) == {"c", "d"}


@pytest.mark.parametrize("damage", ["short", "headless", "missing", "other"])
def test_a_damaged_set_is_made_again(store: ArrayStore, damage: str, capfd: pytest.CaptureFixture[str]) -> None:
    make(store, "a")
    path = store.root / "a" / "images.npy"
    if damage == "missing":
        path.unlink()
    elif damage == "other":
        np.save(path, np.zeros((50, 4, 4), dtype=np.int8))
    else:
        path.write_bytes(path.read_bytes()[: 500 if damage == "short" else 5])
    assert make(store, "a")["images"][49, 3, 3] == 799 % 251
    assert capfd.readouterr().err == f"{store.root / 'a'} is damaged; it is made again\n"
    store.open("a", LAYOUTS, never)


def test_what_fails_leaves_nothing_and_what_was_killed_is_removed(store: ArrayStore) -> None:
    def fail(arrays: Mapping[str, Array]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.open("a", LAYOUTS, fail)
    assert sets(store) == set()
    for owner in ("a", "gone"):
        (store.root / f".{owner}.0123.tmp").mkdir()
    make(store, "a")
    assert sets(store) == {"a"}


def test_folders_that_are_no_sets_are_left_alone(store: ArrayStore) -> None:
    (store.root / "mine").mkdir(parents=True)
    (store.root / "mine" / "file").write_bytes(b"x" * 10 * SET_BYTES)
    for name in ("a", "b", "c"):
        make(store, name)
    assert "mine" in sets(store)
    assert len(sets(store)) == 3


def test_a_set_larger_than_the_bound_evicts_nothing(store: ArrayStore) -> None:
    make(store, "a")
    with pytest.raises(DiskError, match=r"^large needs .* but SEGTRAIN_CACHE_GB allows .*; set it higher$"):
        store.open("large", {"all": Layout((10 * SET_BYTES,), np.uint8)}, never)
    assert sets(store) == {"a"}


def test_the_bound_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEGTRAIN_CACHE", str(tmp_path))
    monkeypatch.setenv("SEGTRAIN_CACHE_GB", "0.5")
    assert (machine_store().root, machine_store().bound_bytes) == (tmp_path, GB // 2)
    monkeypatch.delenv("SEGTRAIN_CACHE_GB")
    assert machine_store().bound_bytes == 100 * GB
    for wrong in ("", "nan", "0", "-1", "ten", "inf", "1e400"):
        monkeypatch.setenv("SEGTRAIN_CACHE_GB", wrong)
        with pytest.raises(UserError, match=f"^SEGTRAIN_CACHE_GB is {wrong!r}; allowed: a number of gigabytes > 0"):
            machine_store()


def test_who_finds_a_set_being_made_makes_the_next_one_meanwhile(store: ArrayStore) -> None:
    order: list[str] = []
    begun, elsewhere = threading.Event(), threading.Event()

    def first(arrays: Mapping[str, Array]) -> None:
        order.append("a begun")
        begun.set()
        elsewhere.wait(60)
        order.append("a made")
        fill(arrays)

    def second(arrays: Mapping[str, Array]) -> None:
        fill(arrays)
        order.append("b made")
        elsewhere.set()

    with ThreadPoolExecutor(1) as pool:
        one = pool.submit(store.open_all, {"a": SetRecipe(LAYOUTS, first)})
        assert begun.wait(60)
        both = store.open_all({"a": SetRecipe(LAYOUTS, never), "b": SetRecipe(LAYOUTS, second)})
        assert order == ["a begun", "b made", "a made"]
        assert np.array_equal(one.result()["a"]["images"], both["a"]["images"])
    assert both["b"]["scores"].sum() == 12.5


def test_several_sets_that_are_together_too_large_are_not_begun(store: ArrayStore) -> None:
    with pytest.raises(DiskError, match=r"^a, b, c, d need .* but SEGTRAIN_CACHE_GB allows .*; set it higher$"):
        store.open_all(dict.fromkeys("abcd", SetRecipe(LAYOUTS, never)))
    assert not store.root.exists()
