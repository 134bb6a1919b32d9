"""Oxford-IIIT Pet (Parkhi, Vedaldi, Zisserman, Jawahar 2012) as pet, background and border, in the layout of
torchvision's OxfordIIITPet; and the embedded animals, which are written in the same layout."""

from collections import defaultdict
from functools import partial
from pathlib import Path

from segtrain.data.spec import DataError, Dataset, Pair, Split, held_out, require_folder, require_pairs
from segtrain.synthetic import write_animals

LAYOUT = (
    "oxford-iiit-pet/annotations/{trainval,test}.txt (name, class id, species, breed), "
    "oxford-iiit-pet/images/<name>.jpg and oxford-iiit-pet/annotations/trimaps/<name>.png"
)
VAL_SHARE = 0.15
EMBEDDED_TRAINVAL, EMBEDDED_TEST = 42, 10  # images per breed


def list_pairs(data_root: Path, name: str, subfolder: str, remedy: str = "") -> dict[Split, list[Pair]]:
    """The lists are the truth: files that are in none are left out. The publisher has no validation set; it is
    VAL_SHARE of the training images of every breed (the list's class id), drawn by `held_out`."""
    folder = data_root / subfolder / "oxford-iiit-pet"
    require_folder(folder, name, LAYOUT, remedy)
    trainval, test = (_read_list(folder / "annotations" / f"{part}.txt", name) for part in ("trainval", "test"))
    if both := sorted(trainval.keys() & test.keys()):
        raise DataError(
            *(f"{folder / 'annotations'}: {image!r} is in both trainval.txt and test.txt; a test image cannot be "
              "trained on: take it out of one" for image in both)
        )  # fmt: skip
    breeds: defaultdict[str, list[str]] = defaultdict(list)
    for image, breed in trainval.items():
        breeds[breed].append(image)
    val = set().union(*(held_out(images, round(VAL_SHARE * len(images))) for images in breeds.values()))

    def pair(image: str) -> Pair:
        return Pair(folder / "images" / f"{image}.jpg", folder / "annotations" / "trimaps" / f"{image}.png")

    pairs: dict[Split, list[Pair]] = {
        "train": [pair(image) for image in trainval if image not in val],
        "val": [pair(image) for image in trainval if image in val],
        "test": [pair(image) for image in test],
    }
    require_pairs(pairs, folder, name, LAYOUT)
    return pairs


def _read_list(path: Path, name: str) -> dict[str, str]:
    """Image name -> class id, in the order of the list."""
    if not path.is_file():
        raise DataError(f"{path}: no such list; dataset {name!r} expects {LAYOUT}")
    breeds: dict[str, str] = {}
    for number, line in enumerate(path.read_text("utf-8", "surrogateescape").splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 4:
            raise DataError(f"{path}, line {number} is {line!r}; expected name, class id, species and breed")
        if words[0] in breeds:
            raise DataError(f"{path}, line {number}: {words[0]!r} was listed before; list every image once")
        breeds[words[0]] = words[1]
    return breeds


def _download(data_root: Path) -> None:
    from torchvision.datasets import OxfordIIITPet  # here, since who only reads data needs no torch

    try:
        OxfordIIITPet(data_root, download=True)
    except (OSError, RuntimeError) as error:  # no connection; an archive that is not the one published
        raise DataError(
            f"dataset 'pets' could not be downloaded to {data_root} ({error}); try again with a connection, or unpack "
            f"images.tar.gz and annotations.tar.gz of https://www.robots.ox.ac.uk/~vgg/data/pets/ into "
            f"{data_root / 'oxford-iiit-pet'}, or use the embedded dataset 'animals'"
        ) from None


def _oxford(name: str, subfolder: str) -> Dataset:
    embedded = name == "animals"
    return Dataset(
        name=name,
        classes=("pet", "background", "border"),
        palette=((220, 60, 60), (60, 90, 160), (250, 220, 120)),
        list_pairs=partial(
            list_pairs, name=name, subfolder=subfolder, remedy="" if embedded else ", or pass --download to fetch it"
        ),
        train_ids={1: 0, 2: 1, 3: 2},
        prepare=partial(_write_embedded, subfolder=subfolder) if embedded else None,
        download=None if embedded else _download,
    )


def _write_embedded(data_root: Path, subfolder: str) -> None:
    write_animals(data_root / subfolder, EMBEDDED_TRAINVAL, EMBEDDED_TEST, seed=0)


PETS = _oxford("pets", subfolder=".")
ANIMALS = _oxford("animals", subfolder="animals")
