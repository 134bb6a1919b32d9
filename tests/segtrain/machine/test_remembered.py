from pathlib import Path

import pytest

from segtrain.fields import COUNT
from segtrain.machine.array_store import cache_root
from segtrain.machine.remembered import remembered

KINDS = {"n": COUNT}


def test_it_is_made_once_for_each_key() -> None:
    made: list[int] = []

    def make() -> dict[str, int]:
        made.append(1)
        return {"n": len(made)}

    assert [remembered("kept", [key], KINDS, make) for key in ("a", "b", "a")] == [{"n": 1}, {"n": 2}, {"n": 1}]


@pytest.mark.parametrize("content", ["", "[]", '{"n": -1}', "{}"])
def test_what_is_torn_or_of_another_kind_is_made_again(content: str) -> None:
    remembered("kept", "key", KINDS, lambda: {"n": 1})
    (path,) = (cache_root() / "kept").iterdir()
    path.write_text(content)
    assert remembered("kept", "key", KINDS, lambda: {"n": 2}) == {"n": 2}
    assert remembered("kept", "key", KINDS, lambda: {"n": 3}) == {"n": 2}


def test_a_cache_that_cannot_be_written_costs_the_time_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SEGTRAIN_CACHE", str(tmp_path / "file"))
    assert remembered("kept", "key", KINDS, lambda: {"n": 1}) == {"n": 1}
