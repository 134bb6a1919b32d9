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
