"""What a sweep finds out about models that are not the program's own before its first trial."""

import importlib
import io
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from segtrain import own_code, records
from segtrain.config import TrialConfig
from segtrain.errors import UserError
from sweeps.engine.plan.preflight import check_models, keep_code

CONSOLE = Console(file=io.StringIO())
SOURCE = """
from torch import nn

number = 7


def good(classes):
    return nn.Conv2d(3, classes, 1)


def fewer(classes):
    return nn.Conv2d(3, classes - 1, 1)


def nothing(classes):
    pass


def two(classes, width):
    return nn.Conv2d(3, classes, 1)


def raising(classes):
    raise OSError("no such file")


class Forward(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.layer = nn.Conv2d(4, classes, 1)

    def forward(self, x):
        return self.layer(x)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "checked.py"
    path.write_text(SOURCE)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    importlib.invalidate_caches()
    yield path
    sys.modules.pop("checked", None)
    own_code.sources.cache_clear()


@pytest.fixture
def check(module: Path) -> Callable[..., None]:
    """check(function, **edits) a trial of the function of that name."""

    def run(function: str, **edits: object) -> None:
        base = TrialConfig(arch=f"checked:{function}", dataset="scenes", init="scratch", image_height=64)
        check_models([base.edit(**edits)], CONSOLE)

    return run


def test_a_model_that_does_what_it_should_passes(check: Callable[..., None]) -> None:
    check("good")


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("number", "arch is 'checked:number', which is a int; it has to be a function"),
        ("nothing", "arch is 'checked:nothing' and gave a NoneType; it has to give a torch.nn.Module"),
        ("two", "arch is 'checked:two' and cannot be called as two(num_classes): missing a required argument: "
         "'width'; give every other argument a default"),
        ("raising", "arch is 'checked:raising', and calling it failed: {file}, line 24: OSError: no such file"),
        ("fewer", "arch is 'checked:fewer' and gives logits of shape (1, 12, 64, 256) for an image; the data needs "
         "(1, 13, 64, 256): give as many outputs as the function is asked for"),
        ("Forward", "arch is 'checked:Forward', and sending one image of 64x256 through it failed: {file}, line 33: "
         "RuntimeError: Given groups=1, weight of size [13, 4, 1, 1], expected input[1, 3, 64, 256] to have 4 "
         "channels, but got 3 channels instead"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(check: Callable[..., None], module: Path, function: str, sentence: str) -> None:
    with pytest.raises(UserError, match=f"^{re.escape(sentence.format(file=module))}$"):
        check(function)


def test_a_freeze_without_an_encoder_is_refused(check: Callable[..., None]) -> None:
    with pytest.raises(UserError, match=r"^freeze is 'encoder' and the encoder of this model is not known"):
        check("good", freeze="encoder")


def test_own_code_is_copied_for_the_workers(module: Path, tmp_path: Path) -> None:
    config = TrialConfig(arch="checked:good", dataset="scenes", init="scratch")
    keep_code([config, config.edit(arch="fcn8s")], tmp_path / "study")
    assert (tmp_path / "study" / records.CODE_DIR / "checked.py").read_text() == SOURCE
    keep_code([config.edit(arch="fcn8s")], tmp_path / "other")
    assert not (tmp_path / "other").exists()
