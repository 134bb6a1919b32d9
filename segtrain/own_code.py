"""Code of the user's own, named `package.module:name`: imported, hashed, kept, and its errors told by file and line.

Only what the user typed, or wrote into a study file, is imported; a name that stands in data never is.
"""

import difflib
import functools
import hashlib
import importlib
import os
import re
import shutil
import sys
import sysconfig
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from segtrain.errors import UserError

NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*"
OURS = ("segtrain", "sweeps", "analysis")
KEPT = (".py", ".json")  # weights of a model in a local folder are hashed, but are in the trial's own


class CodeError(UserError):
    """Code of the user's own cannot be imported, raised something, or gave what it should not."""


def is_own_name(text: str) -> bool:
    return re.fullmatch(NAME, text) is not None


def make_importable(folders: Iterable[str]) -> None:
    """Modules in these folders can be imported from here on; what could be before keeps its precedence."""
    for folder in folders:
        if folder not in sys.path:
            sys.path.append(folder)
    importlib.invalidate_caches()


def import_path() -> list[str]:
    """Where this process finds modules, for another process to find the same."""
    return [entry or os.getcwd() for entry in sys.path]


def import_object(name: str, field: str) -> Any:
    """The object that the value `package.module:name` of a `field` names. Raises CodeError."""
    module_name, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is not None and f"{module_name}.".startswith(f"{missing}."):
            raise CodeError(
                f"{field} is {name!r} and there is no module {missing}, neither beside the study file, nor in "
                f"{os.getcwd()}, nor installed; correct the name, or type the command where the module is"
            ) from None
        raise CodeError(f"{field} is {name!r}, and importing it failed: {describe_error(error)}") from error
    if not hasattr(module, attribute):
        near = difflib.get_close_matches(attribute, dir(module), n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "correct the name"
        raise CodeError(f"{field} is {name!r} and {module.__file__ or module_name} has no {attribute}; {hint}")
    sources(name)  # now, so that what is kept is what was imported
    return getattr(module, attribute)


def describe_error(error: BaseException) -> str:
    """One line: the last place in code that is neither ours nor installed, if there is one, then what was raised. An
    error that a user can put right stays as it is."""
    if isinstance(error, UserError):
        return f"{type(error).__name__}: {error}"  # which says where the mistake is
    text = " ".join(f"{type(error).__name__}: {error}".split())
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}: {type(error).__name__}: {error.msg}"
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if is_own(frame.filename)]
    return f"{own[-1].filename}, line {own[-1].lineno}: {text}" if own else text


def is_own(file: str) -> bool:
    """Whether a source file is the user's: no part of this program, of Python or of an installed package."""
    return not file.startswith("<") and not any(Path(file).is_relative_to(folder) for folder in _not_own())


@functools.cache
def _not_own() -> tuple[Path, ...]:
    installed = {sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")}
    return (*(Path(__file__).parents[1] / package for package in OURS), *map(Path, installed))


@functools.cache
def sources(name: str) -> Mapping[str, bytes]:
    """Path below its root -> content: the module of `package.module:name`, or the whole package that it is in. As it
    was when the name was first imported in this process. Of an installed package the module alone."""
    module = sys.modules[name.partition(":")[0]]
    package = sys.modules[module.__name__.partition(".")[0]]
    file = Path(module.__file__) if module.__file__ else None
    if hasattr(package, "__path__") and (file is None or is_own(str(file))):
        found: dict[str, Path] = {}
        for folder in map(Path, package.__path__):
            found |= {path.relative_to(folder.parent).as_posix(): path for path in sorted(folder.rglob("*.py"))}
    else:
        found = {file.name: file} if file else {}
    return {relative: path.read_bytes() for relative, path in found.items()}


def digest(files: Mapping[str, bytes]) -> str:
    """Of names and contents, whatever their order."""
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(f"{name}\0{hashlib.sha256(files[name]).hexdigest()}\n".encode())
    return total.hexdigest()


def keep(files: Mapping[str, bytes], folder: Path) -> None:
    """Writes the sources and the configurations among `files` into `folder`, and nothing else stays there."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in files.items():
        if Path(name).suffix in KEPT:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
