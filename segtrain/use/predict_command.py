"""`python -m segtrain predict TRIAL IMAGES ... --out DIR`: masks and overlays of files, the same command again goes on.

    DIR/masks/<name>.png       the class of every pixel, as its place in the trial's classes, with their palette
    DIR/overlays/<name>.png    the image under these colours
    DIR/<task>/masks/ ...      the same of each further task of a model that has several

Each file carries a mark over the image's content, the model's weights and the options: one whose mark is right is left
as it is.
"""

import argparse
import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from segtrain import records
from segtrain.data.fingerprint import stderr_progress
from segtrain.data.pixels import picture
from segtrain.errors import UserError
from segtrain.training.evaluation import palette_image
from segtrain.use.image_input import SUFFIXES, ImageError, read_pixels
from segtrain.use.trained_model import TrainedModel, load_model, overlay

MARK = "segtrain"
"""The text chunk of a PNG file that holds its mark."""
KINDS = ("masks", "overlays")
PREDICTION_VERSION = 1
"""Raise it when the same model makes other predictions of the same image: files of before are then made again."""


class OutputError(UserError):
    """Predictions cannot be written where they were to go."""


@dataclass(frozen=True)
class Job:
    image: Path
    out: Path
    name: Path  # of the pictures, in their folders

    def files(self, task: str = "") -> tuple[Path, Path]:
        """Mask and overlay of a task; the first is ""."""
        place = self.out / task
        return place / "masks" / self.name, place / "overlays" / self.name


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m segtrain predict",
        description="Masks and overlays of images, at their resolution. The same command again goes on.",
    )
    add = parser.add_argument
    add("trial", type=Path, help="the folder of a trial, <out>/trials/<trial id>")
    add("images", type=Path, nargs="+", help=f"image files, and folders of them ({' '.join(SUFFIXES)})")
    add("--out", type=Path, required=True, metavar="DIR", help="where masks/ and overlays/ go")
    add(
        "--own-resolution", action="store_true",
        help="look at each image in windows of its own pixels, for those that show more than the training's did",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    model = load_model(options.trial)
    tasks = [task.name for task in model.facts.tasks]
    jobs = list_jobs(options.images, options.out, tasks)
    check_free(jobs, tasks)
    made = predict_files(model, jobs, options.own_resolution)
    kept = f", {len(jobs) - made} were there already" if made < len(jobs) else ""
    places = " and ".join(f"{options.out / task}/{kind}" for task in tasks for kind in KINDS)
    print(f"{made} predicted{kept}, in {places}")
    return 0


def list_jobs(paths: Iterable[Path], out: Path, tasks: Sequence[str] = ("",)) -> list[Job]:
    """What to predict, and where it goes. Raises ImageError when there is nothing, or two files would get one name."""
    named: dict[Path, Path] = {}
    problems = []
    for path in paths:
        found = _find_images(path, [(out / task / kind).absolute() for task in tasks for kind in KINDS])
        if not found:
            what = "a folder without images" if path.is_dir() else "no file or folder"
            problems.append(f"{path}: is {what}; allowed: image files, and folders of {', '.join(SUFFIXES)}")
        for image in found:
            name = (image.relative_to(path) if path.is_dir() else Path(image.name)).with_suffix(".png")
            other = named.setdefault(name, image)
            if other.absolute() != image.absolute():
                problems.append(f"{image}: would be written to {name}, as {other}; predict it into another --out")
    if problems:
        raise ImageError(*problems)
    return [Job(image, out, name) for name, image in named.items()]


def _find_images(path: Path, written: Sequence[Path]) -> list[Path]:
    """The images of a folder, at any depth, but not those that an earlier command has `written` in some folders."""
    if not path.is_dir():
        return [path] if path.is_file() else []
    return sorted(
        found
        for found in path.rglob("*")
        if found.suffix.lower() in SUFFIXES and not any(found.absolute().is_relative_to(place) for place in written)
    )


def check_free(jobs: Iterable[Job], tasks: Sequence[str] = ("",)) -> None:
    """Raises OutputError naming every file in the way that is no prediction of this program."""
    problems = [
        f"{path}: is there already, and is no prediction of this program; choose another --out, or move it away"
        for job in jobs
        for task in tasks
        for path in job.files(task)
        if path.exists() and _read_mark(path) is None
    ]
    if problems:
        raise OutputError(*problems)


def predict_files(model: TrainedModel, jobs: list[Job], own_resolution: bool = False) -> int:
    """Writes what is missing or was made from another image, by another model or in another way; how many those were.
    Raises ImageError, after the others, naming every image that could not be predicted."""
    with open(model.folder / records.BEST_FILE, "rb") as file:
        recipe = f"{PREDICTION_VERSION} {own_resolution} {hashlib.file_digest(file, 'sha256').hexdigest()}"
    recipe += f" {model.facts} {model.hardware.precision}" + (f" {model.facts.further}" if model.facts.further else "")
    made = 0
    problems: list[str] = []
    with stderr_progress() as progress:
        for job in progress.track(jobs, description="predicting"):
            try:
                made += _predict_file(model, job, own_resolution, recipe)
            except ImageError as error:
                problems += error.problems
    if problems:
        raise ImageError(*problems)
    return made


def _predict_file(model: TrainedModel, job: Job, own_resolution: bool, recipe: str) -> bool:
    try:
        content = job.image.read_bytes()
    except OSError as error:
        raise ImageError(f"{job.image}: cannot be read ({error.strerror})") from None
    mark = hashlib.sha256(recipe.encode() + hashlib.sha256(content).digest()).hexdigest()
    if all(_read_mark(path) == mark for task in model.facts.tasks for path in job.files(task.name)):
        return False
    pixels = read_pixels(job.image, model.facts.to_channels())
    for task, found in zip(model.facts.tasks, model.predict_tasks(pixels, own_resolution), strict=True):
        mask_file, overlay_file = job.files(task.name)
        _write_png(overlay_file, overlay(picture(pixels), found, task.palette), mark)
        _write_png(mask_file, palette_image(found, task.palette), mark)
    return True


def _write_png(path: Path, image: Image.Image, mark: str) -> None:
    text, buffer = PngInfo(), io.BytesIO()
    text.add_text(MARK, mark)
    image.save(buffer, format="PNG", pnginfo=text)
    path.parent.mkdir(parents=True, exist_ok=True)
    records.write_atomic(path, buffer.getvalue())


def _read_mark(path: Path) -> str | None:
    try:
        with Image.open(path) as image:
            return image.info.get(MARK)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
