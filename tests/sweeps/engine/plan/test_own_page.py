"""docs/own.md is true: its Python is imported, and its commands are planned, in a folder outside the repository."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from sweeps.engine.plan import preview

PAGE = (Path(__file__).parents[4] / "docs" / "own.md").read_text()
PROGRAM = "python /path/to/sweeps/fcn_grid.py "
COMMANDS = re.findall(rf"^{re.escape(PROGRAM)}(.*)$", PAGE, re.MULTILINE)


def test_the_page_has_commands() -> None:
    assert len(COMMANDS) == 3


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_page_can_be_planned(
    command: str, call: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mynet.py").write_text("\n\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)))
    monkeypatch.chdir(tmp_path)
    # How fast this machine trains is of no matter here, and takes seconds to find out.
    monkeypatch.setattr(preview, "predicted_rate", lambda *_: (1e12, "in a test"))
    code, text = call(*shlex.split(command))
    assert code == 0, text
    assert "Nothing was started." in text
