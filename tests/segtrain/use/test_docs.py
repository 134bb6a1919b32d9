"""docs/use.md is true: its commands and its Python are run, on the tiny trial."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import analysis.__main__
import sweeps.__main__
from segtrain import records
from segtrain.config import TrialConfig
from sweeps.engine.ask.study import Study

PAGE = (Path(__file__).parents[3] / "docs" / "use.md").read_text()
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def world(trained: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """world(text) -> the text with TRIAL, IMAGES, IMAGE and `runs` as they are called here, in an empty folder."""
    config = TrialConfig.from_dict(records.read_json(trained / records.CONFIG_FILE))
    study, out = Study(name="one", title="One", base=config), trained.parents[1]
    description = study.describe(study.expand(), "python one.py")
    records.study_dir(out, "one").mkdir(parents=True, exist_ok=True)
    records.write_json(records.study_dir(out, "one") / records.STUDY_FILE, description)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    names = {"TRIAL": trained, "IMAGES": images, "IMAGE": images / "a.png", "runs": out}
    return lambda text: re.sub(r"\b(TRIAL|IMAGES|IMAGE|runs)\b", lambda found: str(names[found[0]]), text)


def test_every_command_of_the_page_works(
    world: Callable[[str], str], call: Call, capsys: pytest.CaptureFixture[str], trained: Path, tmp_path: Path
) -> None:
    commands = re.findall(r"^python -m .*$", PAGE, re.MULTILINE)
    assert len(commands) == 7
    printed = {}
    for command in commands:
        python, dash, module, *arguments = shlex.split(world(command))
        assert (python, dash) == ("python", "-m")
        if "onnx" in arguments:
            continue  # takes seconds, and is run by test_export
        if module == "segtrain":
            code, printed[command], _ = call(*arguments)
        else:
            code = {"analysis": analysis.__main__.main, "sweeps": sweeps.__main__.main}[module](arguments)
            printed[command] = capsys.readouterr().out
        assert code == 0, command
    best = printed["python -m analysis best runs"].splitlines()[-1]
    assert best == f"  python -m segtrain predict {trained} IMAGES --out predictions"
    assert len((tmp_path / "here/my_study.py").read_text().splitlines()) == 25
    assert {path.suffix for path in trained.glob("model.*")} == {".json", ".pt"}
    (trained / "model.torchscript.pt").unlink()


def test_the_python_of_the_page_works(world: Callable[[str], str], images: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    found: dict[str, np.ndarray] = {}
    exec(world(program), found)
    assert found["mask"].shape == found["probabilities"].shape[1:] == (32, 48)
    assert Image.open("overlay.png").size == (48, 32)
