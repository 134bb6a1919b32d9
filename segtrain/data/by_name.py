"""A dataset by the value that a trial has for it: the one place where names become datasets.

A trial carries the name of a dataset, never where it lies: like the data root, the place changes no number, and a
folder that is moved is no other data (its fingerprint tells). So the command turns the path of a dataset.toml into
`own:NAME` once, and hands the place to every process that trains.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from segtrain import own_code
from segtrain.config import OWN_NAME, OWN_PREFIX, parse_value
from segtrain.data import DATASETS
from segtrain.data.own.toml_dataset import read_dataset
from segtrain.data.spec import IGNORE, DataError, Dataset, Task
from segtrain.own_code import CodeError

_places: dict[str, Path] = {}  # of each own:NAME, the dataset.toml


def register(values: Iterable[str]) -> dict[str, str]:
    """Each value as a user may give it -> what a trial carries: `own:NAME` for the path of a dataset.toml, whose place
    this process knows from here on; others stay. Raises ConfigError, DataError or CodeError on what is no dataset."""
    names, places = {}, dict[str, Path]()
    for value in values:
        names[value] = parse_value("dataset", value)
        if value.endswith(".toml"):
            path = Path(value).expanduser().absolute()
            names[value] = OWN_PREFIX + _read(path).name
            before = places.setdefault(names[value], path)
            if not before.samefile(path):
                raise DataError(f"{before} and {path} both have the name {names[value]!r}; give one of them another")
    _places.update(places)
    for name in names.values():
        find_dataset(name)
    return names


def known_places() -> dict[str, str]:
    """For another process."""
    return {name: str(path) for name, path in _places.items()}


def remember_places(places: Mapping[str, str]) -> None:
    """What `known_places` gave in the process that started this one."""
    _places.update({name: Path(path) for name, path in places.items()})


def find_dataset(name: str) -> Dataset:
    """The dataset of a trial's config. Raises DataError or CodeError."""
    for known, dataset in DATASETS.items():
        if name == known:
            return dataset
    if name.startswith(OWN_PREFIX):
        return _read_own(name)
    return _import(name)


def _read_own(name: str) -> Dataset:
    if name not in _places:
        raise DataError(
            f"dataset is {name!r}, and where it lies is not known; name its file: --dataset PATH/dataset.toml"
        )
    dataset = _read(_places[name])
    if name != OWN_PREFIX + dataset.name:
        was = name.removeprefix(OWN_PREFIX)
        raise DataError(f"{_places[name]}: name is {dataset.name!r} now and was {was!r}; change it back")
    return dataset


def _read(path: Path) -> Dataset:
    stat = path.stat() if path.is_file() else None
    return _read_unchanged(path, stat and (stat.st_size, stat.st_mtime_ns, stat.st_ino))


@lru_cache(maxsize=32)
def _read_unchanged(path: Path, mark: tuple[int, int, int] | None) -> Dataset:
    return read_dataset(path)


def _import(name: str) -> Dataset:
    """Its source is part of the data: another one may list or decode other pixels."""
    dataset = own_code.import_object(name, "dataset")
    if not isinstance(dataset, Dataset):
        raise CodeError(
            f"dataset is {name!r}, which is a {type(dataset).__name__}; it has to be a segtrain.data.spec.Dataset"
        )
    tasks: list[Dataset | Task] = [dataset, *dataset.further]
    problems = [wrong for one in tasks if (wrong := _what_is_wrong(one)) is not None]
    if not problems and len({task.name for task in dataset.further} | {dataset.task}) < 1 + len(dataset.further):
        problems = ["two tasks of one name; give each its own"]
    if problems:
        raise CodeError(f"dataset is {name!r} and has {problems[0]}")
    return replace(dataset, code=own_code.digest(own_code.sources(name)))


def _what_is_wrong(labels: Dataset | Task) -> str | None:
    """In the name, the classes and the labels of a dataset or of a further task of one."""
    count = len(labels.classes)
    if not re.fullmatch(OWN_NAME, labels.name):
        return f"name {labels.name!r}; allowed: letters, digits, '.', '_' and '-', up to 64"
    if not 1 <= count <= IGNORE or len(labels.palette) != count:
        return f"{count} classes and {len(labels.palette)} colours; allowed: 1 to {IGNORE}, and as many colours"
    if not set(labels.train_ids.values()) <= {*range(count), IGNORE}:
        stray = sorted(set(labels.train_ids.values()) - {*range(count), IGNORE})
        return f"train ids {', '.join(map(str, stray))}; allowed: 0 to {count - 1}, and {IGNORE} for ignored pixels"
    return None
