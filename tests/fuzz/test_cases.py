"""A few cases of `make fuzz`, so that it goes on working; and that it would see what it looks for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from segtrain import records
from tests.fuzz.__main__ import World, quickly, run_case


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SEGTRAIN_CACHE", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
            patch.setenv(name, "")  # set on the way, and put back here
        with quickly(draw=False):
            yield World(tmp_path_factory.mktemp("fuzz"))


def test_some_cases_end_as_they_should(place: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert [finding for number in range(1, 31) if (finding := run_case(place, 0, number))] == []


def test_an_exception_that_is_no_line_is_a_finding(place: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "read_status", lambda folder: 1 / 0)
    found = [finding for number in range(1, 11) if (finding := run_case(place, 0, number))]
    assert "ZeroDivisionError" in found[0][0]
