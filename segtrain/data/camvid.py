"""CamVid, 11 road classes and void (Brostow, Fauqueur, Cipolla 2009), in the layout of the SegNet tutorial."""

from pathlib import Path

from segtrain.data.spec import IGNORE, SPLITS, DataError, Dataset, Pair, Split, require_folder, require_pairs

LAYOUT = "camvid/{train,val,test}.txt (an image and a mask per line), camvid/{train,trainannot,...}/*"
VOID = 11


def list_pairs(data_root: Path) -> dict[Split, list[Pair]]:
    folder = data_root / "camvid"
    require_folder(folder, "camvid", LAYOUT)
    pairs = {split: _read_list(folder, split) for split in SPLITS}
    require_pairs(pairs, folder, "camvid", LAYOUT)
    return pairs


def _read_list(folder: Path, split: Split) -> list[Pair]:
    path = folder / f"{split}.txt"
    if not path.is_file():
        raise DataError(f"{path}: no such list; dataset 'camvid' expects {LAYOUT}")
    pairs = []
    for number, line in enumerate(path.read_text("utf-8", "surrogateescape").splitlines(), start=1):
        names = line.split()
        if not names:
            continue
        if len(names) != 2:
            raise DataError(f"{path}, line {number} is {line!r}; expected an image and a mask, separated by a space")
        # The tutorial's own lists carry the absolute path of its author's machine: only folder and file count.
        image, mask = (folder / Path(*Path(name).parts[-2:]) for name in names)
        sequence, underscore, _ = image.name.partition("_")  # 0001TP_008550.png, Seq05VD_f00000.png
        pairs.append(Pair(image, mask, sequence if underscore else None))
    return pairs


CAMVID = Dataset(
    name="camvid",
    classes=(
        "Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian", "Bicyclist",
    ),
    palette=(
        (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0), (192, 128, 128),
        (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
    ),
    list_pairs=list_pairs,
    train_ids={label: label for label in range(VOID)} | {VOID: IGNORE, IGNORE: IGNORE},
)  # fmt: skip
