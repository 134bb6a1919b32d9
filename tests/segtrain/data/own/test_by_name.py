"""Names of datasets: what a trial carries of them, and the trial that own data make."""

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segtrain import records
from segtrain.config import ConfigError, TrialConfig
from segtrain.data import DATASETS, by_name
from segtrain.data.by_name import find_dataset, known_places, register, remember_places
from segtrain.data.cache import list_pairs, open_cache, read_fingerprint
from segtrain.data.camvid import CAMVID
from segtrain.data.spec import DataError
from segtrain.own_code import CodeError

WriteOwn = Callable[..., Path]
SIZES = {"train": 6, "val": 3, "test": 3}

MODULE = """
from pathlib import Path
from segtrain.data.spec import Dataset, Pair

def list_pairs(root):
    files = sorted((root / "images").glob("*.png"))
    pairs = [Pair(file, root / "masks" / file.name) for file in files]
    return {"train": pairs[:6], "val": pairs[6:9], "test": pairs[9:]}

DATA = Dataset(name="coded", classes=("x", "y", "z"), palette=((0, 0, 0), (1, 1, 1), (2, 2, 2)),
               list_pairs=list_pairs, train_ids={0: 0, 1: 1, 2: 2, 9: 255})
"""


@pytest.fixture(autouse=True)
def no_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_name, "_places", {})


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """module(text) -> the name of a new module with that text, which can be imported."""
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    (tmp_path / "code").mkdir()
    made: list[str] = []

    def write(text: str) -> str:
        made.append(f"own_data_{len(made)}")
        (tmp_path / "code" / f"{made[-1]}.py").write_text(text)
        return made[-1]

    yield write
    for name in made:
        sys.modules.pop(name, None)


def config(dataset: str) -> TrialConfig:
    return TrialConfig(
        arch="fcn16s", dataset=dataset, image_height=32, image_width=48, width_mult=0.0625, init="scratch",
        epochs=2, batch_size=4, val_every=1, precision="float32",
    )  # fmt: skip


def test_names_of_the_program_stay(tmp_path: Path) -> None:
    assert register(DATASETS) == {name: name for name in DATASETS}
    assert all(find_dataset(name) is dataset for name, dataset in DATASETS.items())
    assert known_places() == {}


def test_a_trial_carries_the_name_and_not_the_place(tmp_path: Path, write_own: WriteOwn) -> None:
    path = write_own(tmp_path / "here")
    names = register([str(path), "camvid"])
    assert names == {str(path): "own:mine", "camvid": "camvid"}
    here = config(names[str(path)])
    assert here.trial_id.startswith("fcn16s-mine-unfreeze-lr0.001-s0-")
    before = read_fingerprint(find_dataset("own:mine"), tmp_path)
    shutil.move(tmp_path / "here", tmp_path / "there")
    moved = register([str(tmp_path / "there" / "dataset.toml")])
    assert [config(name).trial_id for name in moved.values()] == [here.trial_id]
    assert read_fingerprint(find_dataset("own:mine"), tmp_path) == before


def test_another_process_is_told_the_places(
    tmp_path: Path, write_own: WriteOwn, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_own(tmp_path)
    monkeypatch.chdir(tmp_path)
    register(["dataset.toml"])
    places = known_places()
    assert places == {"own:mine": str(tmp_path / "dataset.toml")}
    monkeypatch.setattr(by_name, "_places", {})
    monkeypatch.chdir("/")
    with pytest.raises(DataError, match=r"^dataset is 'own:mine', and where it lies is not known; name its file: "):
        find_dataset("own:mine")
    remember_places(places)
    assert find_dataset("own:mine").classes == ("class0", "class1", "class2")


def test_a_description_that_changes_is_read_again(tmp_path: Path, write_own: WriteOwn) -> None:
    path = write_own(tmp_path)
    register([str(path)])
    path.write_text(path.read_text().replace("class0", "another"))
    assert find_dataset("own:mine").classes[0] == "another"
    path.write_text(path.read_text().replace('"mine"', '"renamed"'))
    with pytest.raises(DataError, match=r"name is 'renamed' now and was 'mine'; change it back$"):
        find_dataset("own:mine")


def test_two_places_of_one_name_are_told(tmp_path: Path, write_own: WriteOwn) -> None:
    one, other = (str(write_own(tmp_path / name)) for name in ("one", "other"))
    with pytest.raises(DataError) as caught:
        register([one, other])
    assert str(caught.value) == f"{one} and {other} both have the name 'own:mine'; give one of them another"


@pytest.mark.parametrize("value", ["raods", "a/b", "own:", "own:../x", "a.b:c:d", ":x", "x.toml\0", ""])
def test_what_names_no_dataset(value: str) -> None:
    with pytest.raises(ConfigError, match=r"^dataset is '"):
        config(value)
    with pytest.raises(ConfigError, match=r"package\.module:NAME$"):
        register([value])


def test_a_dataset_written_in_python(tmp_path: Path, write_own: WriteOwn, module: Callable[[str], str]) -> None:
    write_own(tmp_path)
    name = f"{module(MODULE)}:DATA"
    assert register([name]) == {name: name}
    dataset = find_dataset(name)
    assert config(name).trial_id.startswith("fcn16s-own_data_0-DATA-unfreeze-")
    assert {split: len(pairs) for split, pairs in list_pairs(dataset, tmp_path).items()} == SIZES
    other = find_dataset(f"{module(MODULE + '# other')}:DATA")  # its source is part of the data
    assert read_fingerprint(dataset, tmp_path) != read_fingerprint(other, tmp_path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("DATA = 3", "dataset is '{}:DATA', which is a int; it has to be a segtrain.data.spec.Dataset"),
        (MODULE.replace('"coded"', '"a/b"'),
         "dataset is '{}:DATA' and has name 'a/b'; allowed: letters, digits, '.', '_' and '-', up to 64"),
        (MODULE.replace(', "z"', ""),
         "dataset is '{}:DATA' and has 2 classes and 3 colours; allowed: 1 to 255, and as many colours"),
        (MODULE.replace("2: 2", "2: 3"),
         "dataset is '{}:DATA' and has train ids 3; allowed: 0 to 2, and 255 for ignored pixels"),
        (MODULE.replace("9: 255}", "9: 255}, further=(spec.Task('b', ('x',), (), {}, None),)").replace(
            "from", "from segtrain.data import spec\nfrom", 1),
         "dataset is '{}:DATA' and has 1 classes and 0 colours; allowed: 1 to 255, and as many colours"),
        (MODULE.replace("9: 255}", "9: 255}, task='b', further=(spec.Task('b', ('x',), ((0, 0, 0),), {}, None),)")
         .replace("from", "from segtrain.data import spec\nfrom", 1),
         "dataset is '{}:DATA' and has two tasks of one name; give each its own"),
    ],
)  # fmt: skip
def test_an_object_that_is_no_dataset(module: Callable[[str], str], text: str, sentence: str) -> None:
    name = module(text)
    with pytest.raises(CodeError) as caught:
        register([f"{name}:DATA"])
    assert str(caught.value) == sentence.format(name)


def test_what_own_code_raises_is_told_by_its_line(
    tmp_path: Path, write_own: WriteOwn, module: Callable[[str], str]
) -> None:
    write_own(tmp_path)
    listing = module(MODULE.replace("files = ", "files = 1 / 0 or "))
    with pytest.raises(CodeError) as caught:
        list_pairs(find_dataset(f"{listing}:DATA"), tmp_path)
    file = tmp_path / "code" / f"{listing}.py"
    assert str(caught.value) == f"dataset 'coded': {file}, line 6: ZeroDivisionError: division by zero"
    decoding = module(MODULE.replace("9: 255}", "9: 255}, decode_mask=lambda mask: mask.nothing"))
    with pytest.raises(CodeError, match=r"line 11: AttributeError: "):
        open_cache(find_dataset(f"{decoding}:DATA"), tmp_path, 32, 48)


def write_camvid(root: Path) -> None:
    """Random labels in CamVid's own layout, with its names."""
    rng, folder = np.random.default_rng(1), root / "camvid"
    for split, count in SIZES.items():
        lines = []
        for frame in reversed(range(count)):
            name = f"{'0001TP' if frame % 2 else 'Seq05VD'}_{frame:03d}.png"
            for kind, most in ((split, 256), (f"{split}annot", 12)):
                (folder / kind).mkdir(parents=True, exist_ok=True)
                pixels = rng.integers(0, most, (40, 60, 3) if kind == split else (40, 60), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / kind / name)
            lines.append(f"{split}/{name} {split}annot/{name}\n")
        (folder / f"{split}.txt").write_text("".join(lines))


def described_camvid(folder: Path) -> Path:
    text = [
        'name = "mycam"\n[images]\nfiles = "*/*.png"',
        '[masks]\nfiles = "*annot/*.png"\nlabels = "ids"\nignore = [11, 255]',
        '[split]\nby = "lists"\ntrain = "train.txt"\nval = "val.txt"\ntest = "test.txt"\ngroup = "{group}_*"',
    ]
    for number, (name, colour) in enumerate(zip(CAMVID.classes, CAMVID.palette, strict=True)):
        text.append(f'[[classes]]\nname = "{name}"\nid = {number}\ncolour = {list(colour)}')
    (folder / "dataset.toml").write_text("\n".join(text))
    return folder / "dataset.toml"


def test_camvid_described_gives_the_scores_of_the_built_in_one_to_the_byte(
    tmp_path: Path, run_trial: Callable[..., Any], outcome: Callable[[Path], Mapping[str, Any]]
) -> None:
    write_camvid(tmp_path)
    (name,) = register([str(described_camvid(tmp_path / "camvid"))]).values()
    found = {}
    for dataset in ("camvid", name):
        run_trial(config(dataset), tmp_path / dataset.removeprefix("own:"), tmp_path)
        found[dataset] = dict(outcome(tmp_path / dataset.removeprefix("own:")))
        assert b'"dataset": "%s"' % dataset.encode() in found[dataset].pop(records.CONFIG_FILE)
    assert found["camvid"] == found[name]
    assert read_fingerprint(find_dataset(name), tmp_path) == read_fingerprint(CAMVID, tmp_path)
