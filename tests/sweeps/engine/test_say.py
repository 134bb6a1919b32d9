"""What a command says of names that it was given."""

import io

from rich.console import Console

from sweeps.engine.say import say


def test_a_name_reaches_a_terminal_as_it_is_but_for_what_that_would_obey() -> None:
    told = io.StringIO()
    say(
        Console(file=told, force_terminal=True, width=20), "[bold]a\x1b[2J\x07 folder whose name is long/" + 3 * "[red]"
    )
    assert told.getvalue() == "[bold]a\ufffd[2J\ufffd folder whose name is long/[red][red][red]\n"
