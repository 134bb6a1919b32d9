"""What a value in a file or on a command line may be: its type and its bounds. Standard library only.

Files may be torn, edited by hand, or another's. What is read is checked against these once, where it is read, so that
nothing behind the reader meets a number that overflows or a text that a terminal obeys.
"""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_COUNT = 2**53  # every integer up to it is a float
MOST_NUMBER = 1e100  # its square is a float
LONGEST_TEXT = 100_000
LONGEST_NAME = 200  # bytes; file systems take 255, and temporary names are longer

# Not the line feed and the tab; with the code points that turn the direction of what follows, and lone surrogates.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True)
class Kind:
    """`allowed` says in words what `holds`."""

    allowed: str
    holds: Callable[[Any], bool]


def or_none(kind: Kind) -> Kind:
    return Kind(f"{kind.allowed}, or null", lambda value: value is None or kind.holds(value))


def list_of(kind: Kind) -> Kind:
    return Kind(f"a list, each {kind.allowed}", lambda value: isinstance(value, list) and all(map(kind.holds, value)))


def one_of(*values: str) -> Kind:
    return Kind(", ".join(values), lambda value: isinstance(value, str) and value in values)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < MOST_COUNT


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and -MOST_NUMBER <= value <= MOST_NUMBER  # NaN compares false


def is_name(value: Any) -> bool:
    """Whether the text is the name of one file or folder, and no way to another."""
    return (
        isinstance(value, str)
        and value not in ("", ".", "..")
        and not re.search(r"[/\\]", value)
        and printable(value) == value
        and len(value.encode()) <= LONGEST_NAME
    )


COUNT = Kind("an integer >= 0", _is_count)
NUMBER = Kind(f"a number from -{MOST_NUMBER:g} to {MOST_NUMBER:g}", _is_number)
SECONDS = Kind(f"a number from 0 to {MOST_NUMBER:g}", lambda value: _is_number(value) and value >= 0)
TEXT = Kind(f"a text of up to {LONGEST_TEXT} characters", lambda v: isinstance(v, str) and len(v) <= LONGEST_TEXT)
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
OBJECT = Kind("an object", lambda value: isinstance(value, dict))
ANY_LIST = Kind("a list", lambda value: isinstance(value, list))
NAME = Kind(f"a name without / of up to {LONGEST_NAME} bytes", is_name)
PLAIN = Kind(
    "a text, a number, true, false or null",
    lambda value: isinstance(value, bool | None) or TEXT.holds(value) or _is_number(value),
)


def find_wrong(values: Mapping[str, Any], kinds: Mapping[str, Kind]) -> str | None:
    """What is wrong with the first of the values that is of another kind than it should be; an absent one is null."""
    for name, kind in kinds.items():
        value = values.get(name)
        if not kind.holds(value):
            return f"{name} is {shown(value)}; allowed: {kind.allowed}"
    return None


def shown(value: Any) -> str:
    """How a message shows a value that may be long or deep."""
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    if len(inner) > 3 or any(isinstance(item, list | dict) for item in inner):
        return f"a {type(value).__name__} of {len(value)}"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def did_you_mean(got: str, allowed: Sequence[str]) -> str:
    """`did you mean lr? allowed: lr, epochs`, or what is allowed alone."""
    near = difflib.get_close_matches(got, allowed, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return f"{hint}allowed: {', '.join(allowed)}"


def printable(text: str) -> str:
    """The text without what a terminal would obey or an encoding lacks: a replacement character stands for each."""
    return _CONTROL.sub("\ufffd", text)


def clean(value: Any) -> Any:
    """A JSON value with every text and key printable."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [clean(item) for item in value]
    if isinstance(value, dict):
        return {printable(key): clean(item) for key, item in value.items()}
    return value
