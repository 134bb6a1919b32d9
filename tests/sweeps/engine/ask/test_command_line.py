"""What is wrong with a command line is told before anything is loaded."""

import importlib.util
import re
from typing import Any

import pytest

from segtrain.config import ConfigError
from sweeps import fcn_grid
from sweeps.engine.ask.command_line import build_parser, chosen_options


def options(*words: str) -> Any:
    return chosen_options(build_parser(fcn_grid.STUDY).parse_args(words))


@pytest.mark.parametrize("text", ["", "wandb,neptune", "wandb, mlflow", "none"])
def test_a_tracker_that_is_none_is_told_with_those_there_are(text: str) -> None:
    sentence = f"--track is {text!r}; allowed: one or more of wandb, tensorboard, mlflow, with commas between"
    with pytest.raises(ConfigError, match=f"^{re.escape(sentence)}$"):
        options("--track", text)


def test_a_tracker_whose_library_is_missing_is_told_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "mlflow" else find(name))
    with pytest.raises(ConfigError, match=r"^--track is 'tensorboard,mlflow', and mlflow is not installed here: "):
        options("--track", "tensorboard,mlflow")
    assert options("--track", "tensorboard,wandb").track == ("wandb", "tensorboard")


@pytest.mark.parametrize(("text", "seconds"), [("8h", 28800.0), ("90m", 5400.0), ("1.5h", 5400.0), ("3600s", 3600.0)])
def test_a_budget_is_a_time_with_a_unit(text: str, seconds: float) -> None:
    assert options("--budget", text).budget.seconds == seconds


@pytest.mark.parametrize("text", ["8", "0h", "-1h", "8 h", "8d", "1h30m", "nan", "infh", "", "8H", "٨h"])
def test_another_budget_is_refused_in_one_line(text: str) -> None:
    sentence = f"--budget is {text!r}; allowed: a time above 0, in one unit, such as 8h, 90m or 3600s"
    with pytest.raises(ConfigError, match=f"^{re.escape(sentence)}$"):
        options(f"--budget={text}")
