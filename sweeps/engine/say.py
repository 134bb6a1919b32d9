"""A line of a command's own, on the terminal or in a log."""

from rich.console import Console

from segtrain.fields import printable


def say(console: Console, text: str) -> None:
    """As it is: nothing in it is markup, no line is broken, and of a name that holds what a terminal would obey that is
    left out."""
    console.print(printable(text), markup=False, highlight=False, soft_wrap=True)
