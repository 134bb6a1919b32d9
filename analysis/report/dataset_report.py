"""`python -m analysis data --dataset roads`: looks at a dataset before anything is trained on it.

Reads every file at its own size with the function that a sweep reads it with before its first trial, and so finds what
a sweep would refuse; no cache is written, since the shares are of the pixels in the files, not of resized ones. Prints
the shares, what labels at a stride could reach, and the bad files, and writes them with pictures of samples and of one
mask's classes.
Exit code 1 when there are bad files, 2 when there is no dataset to look at.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from analysis.draw.backends import matplotlib_files
from analysis.draw.dataset_samples import draw_classes, draw_samples
from analysis.read.dataset_survey import Survey, read_survey
from analysis.read.stride_bounds import STRIDES, mean_iou
from analysis.report.tables.table import Table, numbers, words
from segtrain.data.by_name import find_dataset, register
from segtrain.data.cache import download
from segtrain.data.spec import SPLITS
from segtrain.errors import UserError
from segtrain.fields import printable
from segtrain.records import write_atomic

BAD_FILES = "bad_files.txt"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m analysis data", description="Samples, shares and bad files.")
    parser.add_argument("--dataset", required=True, metavar="NAME", help="the dataset to look at, or its dataset.toml")
    parser.add_argument(
        "--data-root", type=Path, default=Path("data"), metavar="DIR", help="folder of the datasets (%(default)s)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the report (runs/data/<dataset>)")
    parser.add_argument("--download", action="store_true", help="fetch the dataset into the data root first")
    options = parser.parse_args(arguments)
    try:
        dataset = find_dataset(register([options.dataset])[options.dataset])
        out = options.out or Path("runs/data") / dataset.name
        if options.download:
            download(dataset, options.data_root)
        survey = read_survey(dataset, options.data_root)
        paths = write_report(survey, out)
    except (UserError, OSError) as error:
        problems = error.problems if isinstance(error, UserError) else (printable(str(error)),)
        print(*(f"analysis: {problem}" for problem in problems), sep="\n", file=sys.stderr)
        return 2
    print(class_shares(survey).markdown(), stride_bounds(survey).markdown(), sep="\n")
    print("Written:", *(f"  {path}" for path in paths), sep="\n")
    if survey.problems:
        print(f"\n{len(survey.problems)} bad files:", *(f"  {problem}" for problem in survey.problems), sep="\n")
    return 1 if survey.problems else 0


def class_shares(survey: Survey) -> Table:
    """Per class and split: its share of all pixels, ignored ones among them, and in how many images it occurs."""
    columns = [words("class", "class", [*survey.dataset.classes, "ignored"])]
    notes = []
    for split in SPLITS:
        pixels = survey.pixels[split]
        shares = pixels.sum(axis=0) / (pixels.sum() or np.nan)
        images = (pixels > 0).sum(axis=0)
        columns.append(numbers(f"{split} pixels [%]", f"{split}_pixel_share", shares.tolist(), ".2f", scale=100))
        columns.append(numbers(f"{split} images", f"{split}_images", images.tolist(), "d"))
        absent = [name for name, count in zip(survey.dataset.classes, images, strict=False) if count == 0]
        notes.append(f"{split}: {len(pixels)} images" + (f", none with {', '.join(absent)}" if absent else ""))
    title = f"{survey.dataset.name}: pixels and images of each class"
    return Table("class_shares", title, "; ".join(notes) + ".", columns)


def stride_bounds(survey: Survey) -> Table:
    """Per split: the mean IoU that labels at a stride reach at best."""
    columns = [numbers("stride", "stride", list(STRIDES), "d")]
    for split in SPLITS:
        bounds = [mean_iou(confusion) for confusion in survey.bounds[split]]
        columns.append(numbers(f"{split} mean IoU [%]", f"{split}_mean_iou", bounds, ".2f", scale=100))
    note = (
        "The mean IoU of saying one label for each square of that many pixels a side of the files, its most frequent "
        "class: about what scores at that stride allow, although interpolated ones may follow an edge more closely."
    )
    return Table("stride_bounds", f"{survey.dataset.name}: what a stride allows", note, columns)


def write_report(survey: Survey, out: Path) -> list[Path]:
    """Writes the table, the figures and, when there are any, the bad files; what does not apply any more goes."""
    out.mkdir(parents=True, exist_ok=True)
    paths = [*class_shares(survey).write(out), *stride_bounds(survey).write(out)]
    figures = {"samples": draw_samples(survey), "classes": draw_classes(survey)}
    for name, figure in figures.items():
        if figure is None:
            for path in out.glob(f"{name}.*"):
                path.unlink()
        else:
            paths += matplotlib_files.write(figure, name, out)
    if survey.problems:
        write_atomic(out / BAD_FILES, "".join(f"{problem}\n" for problem in survey.problems).encode())
        paths.append(out / BAD_FILES)
    else:
        (out / BAD_FILES).unlink(missing_ok=True)
    return paths
