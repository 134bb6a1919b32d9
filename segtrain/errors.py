"""What a user can put right. Standard library only."""

import sys
from io import TextIOWrapper

from segtrain.fields import printable


def speak_any_name() -> None:
    """Prints what the terminal's encoding lacks, such as the name of a file in another encoding, as escapes instead of
    ending with an error. For the beginning of a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class UserError(Exception):
    """Something was wrong with what the user gave: each problem says what, the value, what is allowed, what to do.
    Several problems of one kind are reported together, not only the first. A problem is one line, and holds nothing
    that a terminal would obey: it may name files and values of others."""

    def __init__(self, *problems: str) -> None:
        self.problems = tuple(" ".join(printable(problem).split("\n")) for problem in problems)
        super().__init__("\n".join(self.problems))
