"""Kinds of values: what they hold, and how a message shows what they do not."""

import math
from typing import Any

import pytest

from segtrain import fields
from segtrain.errors import UserError
from segtrain.fields import COUNT, NAME, NUMBER, PLAIN, SECONDS, TEXT, Kind


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (COUNT, [0, 1, 2**53 - 1], [-1, 2**53, 10**400, 1.0, True, None, "1"]),
        (NUMBER, [0, -1.5, 1e100, 10**100, 1e-320], [math.nan, math.inf, -math.inf, 10**400, 1e101, True, "1", None]),
        (SECONDS, [0, 1e9], [-1e-9, math.nan]),
        (TEXT, ["", "x" * 100_000], ["x" * 100_001, None, 1]),
        (NAME, ["a", "fcn8s-roads-freeze-lr1e+10-s0-3f9a2c1b", "a.b", "ü" * 100, "smp:Unet"],
         ["", ".", "..", "a/b", "a\\b", "/a", "a\x1b", "a\x00", "a\ud800", "ü" * 101, None, 3]),
        (PLAIN, [None, True, 1, 2.5, "a"], [[], {}, 10**400, math.nan]),
    ],
)  # fmt: skip
def test_what_a_kind_holds(kind: Kind, right: list[Any], wrong: list[Any]) -> None:
    assert [value for value in right if not kind.holds(value)] == []
    assert [value for value in wrong if kind.holds(value)] == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("\x1b[2J", "'\\x1b[2J'"),
        ([1, 2], "[1, 2]"),
        ([1] * 4, "a list of 4"),
        ({"a": []}, "a dict of 1"),
        ("x" * 200, f"'{'x' * 78}…"),
    ],
)
def test_a_message_shows_a_value_in_a_few_words(value: Any, text: str) -> None:
    assert fields.shown(value) == text


def test_nothing_that_a_terminal_obeys_is_printable() -> None:
    assert fields.printable("a\x1b[2J\x9b1m\r\x07\u202eb\udcff") == "a\ufffd[2J\ufffd1m\ufffd\ufffd\ufffdb\ufffd"
    assert fields.printable("ü, 中, a\tb\nc") == "ü, 中, a\tb\nc"
    assert fields.clean({"\x1b": ["\x07", 1, {"a": "\r"}]}) == {"\ufffd": ["\ufffd", 1, {"a": "\ufffd"}]}


def test_each_problem_of_an_error_is_one_line() -> None:
    error = UserError("a\nb\x1b[31m", "c")
    assert error.problems == ("a b\ufffd[31m", "c")
    assert str(error) == "a b\ufffd[31m\nc"
