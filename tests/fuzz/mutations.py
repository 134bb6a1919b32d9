"""Seeded damage: what a disk, an editor, another program or somebody who means harm may have made of a file."""

import copy
import io
import json
import math
import os
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segtrain.config import TrialConfig

DEEP = "[" * 5000 + "]" * 5000
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 7, 2**31, 2**63, 10**19, 10**400, -(10**400), 1.5, -0.0, 1e-320, 1e308, math.nan,
    math.inf, -math.inf, "", " ", "x", "nan", "../../elsewhere", "/", ".", "a/b", "\x1b[2J\x1b]0;x\x07", "\r\n\tx",
    "\ud800", "\x00", "=1+1", "<script>", "ü" * 300, "x" * 100_000, [], {}, [[]], [None], ["x"], {"x": 1}, {"": None},
)  # fmt: skip
ODD_TEXTS = (
    *(text for text in ODD_VALUES if isinstance(text, str) and "\0" not in text and len(text) < 1000),
    "1", "-1", "0", "1e-320", "1" + "0" * 400, "1" + "0" * 19, "inf", "-inf", "1,2", "1,nan", ",", "=", "true", "0x10",
)  # fmt: skip

Random = random.Random


def _truncate(rng: Random, content: bytes) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _flip(rng: Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 3, 20))):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _insert(rng: Random, content: bytes) -> bytes:
    at = rng.randrange(len(content) + 1)
    new = rng.choice((b"\0", b"\xff\xfe", b"\n", b"\x1b[31m", b'"', b"{}", b"\xe4", rng.randbytes(40)))
    return content[:at] + new + content[at:]


def _cut_out(rng: Random, content: bytes) -> bytes:
    start = rng.randrange(len(content) + 1)
    return content[:start] + content[start + rng.randrange(1, 50) :]


def _replace(rng: Random, content: bytes) -> bytes:
    return rng.choice((b"", b"\0" * len(content), rng.randbytes(200), b"null\n", b"[]\n", b"{}\n", DEEP.encode()))


def _twice(rng: Random, content: bytes) -> bytes:
    return content + content


BYTES: tuple[Callable[[Random, bytes], bytes], ...] = (_truncate, _flip, _insert, _cut_out, _replace, _twice)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of everything in a JSON value."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        yield value, key
        yield from places(value[key])


def change_json(rng: Random, value: Any) -> Any:
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        found = list(places(value))
        if not found:
            return copy.deepcopy(rng.choice(ODD_VALUES))
        container, key = rng.choice(found)
        action = rng.randrange(8)
        if action == 0:
            del container[key]
        elif action == 1 and isinstance(container, dict):
            container[rng.choice(ODD_TEXTS)] = container.pop(key)
        elif action == 2 and isinstance(container, list):
            container.append(copy.deepcopy(container[key]))
        elif action == 3:
            other, other_key = rng.choice(found)
            container[key] = copy.deepcopy(other.get(other_key) if isinstance(other, dict) else None)
        else:
            container[key] = copy.deepcopy(rng.choice(ODD_VALUES))  # a list of them would end up in itself
    return value


def _json(rng: Random, content: bytes) -> bytes:
    return json.dumps(change_json(rng, json.loads(content))).encode()


def _jsonl(rng: Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    index = rng.randrange(max(1, len(lines) - 1))
    action = rng.randrange(4)
    if action == 0:
        del lines[index]
    elif action == 1:
        lines.insert(index, rng.choice(lines))
    elif lines[index]:
        lines[index] = _json(rng, lines[index])
    return b"\n".join(lines)


def _npy(content: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, content, allow_pickle=True)
    return file.getvalue()


def _huge(rng: Random) -> bytes:
    """A header that promises more than there is."""
    shape = rng.choice(((10**12,), (10**6, 10**6), (2**63,), (-1, 4), (4, 10**20)))
    header = f"{{'descr': '<i8', 'fortran_order': False, 'shape': {shape!r}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def _odd_array(rng: Random) -> bytes:
    numbers = np.random.default_rng(rng.randrange(1000))
    found = (
        np.array([{}], dtype=object), np.array(["x"]), np.zeros((2, 2), complex), np.full((2, 2), np.nan),
        np.array(5), np.zeros((0, 0), np.int64), np.zeros((3, 2, 2), np.int64), np.full((2, 2), -5),
        np.full((2, 2), 2**63, np.uint64), np.zeros((1, 1)), np.full((4, 2, 2), np.inf), numbers.random((4, 3, 3)),
        np.full((4, 2, 2), 2**62), np.zeros((2, 1001), bool), np.zeros((1, 2), "datetime64[s]"),
    )  # fmt: skip
    return _npy(found[rng.randrange(len(found))]) if rng.random() < 0.8 else _huge(rng)


def _npz(rng: Random, content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(sorted(members))
    action = rng.randrange(4)
    if action == 0:
        members[f"other_{name}"] = members.pop(name)
    elif action == 1:
        members[name] = rng.choice(BYTES)(rng, members[name])
    else:
        members[name] = _odd_array(rng)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED))) as archive:
        for member, found in members.items():
            archive.writestr(member, found)
    return file.getvalue()


def _png(rng: Random, content: bytes) -> bytes:
    action = rng.randrange(4)
    if action == 0:  # another size in a header whose sum is right
        size = struct.pack(">II", *rng.choice(((0, 5), (2**31, 2**31), (60_000, 60_000), (1, 1), (30_000, 3))))
        header = b"IHDR" + size + content[24:29]
        return content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]
    mode = rng.choice(("RGB", "L", "P", "1", "I;16", "RGBA"))
    picture = Image.new(mode, rng.choice(((1, 1), (8, 4), (64, 64), (64, 63))), rng.choice((0, 1)))
    file = io.BytesIO()
    kind = rng.choice(("PNG", "PNG", "GIF", "BMP")) if mode in ("RGB", "L", "P") else "PNG"
    picture.save(file, kind)
    return file.getvalue()


def _list(rng: Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    index = rng.randrange(len(lines))
    new = (
        b"",
        b"\xe4\xf6 1 1 1",
        b"../../x 1 1 1",
        b"x" * 5000 + b" 1 1 1",
        b"a b",
        b"\0 1 1 1",
        b"/etc/passwd /",
        b"#",
    )
    lines[index : index + rng.randrange(2)] = [rng.choice((*new, rng.choice(lines)))]
    return b"\n".join(lines)


BY_SUFFIX: dict[str, Callable[[Random, bytes], bytes]] = {
    ".json": _json, ".jsonl": _jsonl, ".journal": _jsonl, ".npz": _npz, ".png": _png, ".txt": _list,
    ".npy": lambda rng, _: _odd_array(rng),
}  # fmt: skip


def damage(rng: Random, path: Path, elsewhere: Path, sound: bool) -> str:
    """Changes the file at `path`; says how. `elsewhere` is a folder outside, where a link may lead; a `sound` file is
    still what its name says."""
    action = rng.random()
    if action < 0.05:
        path.unlink()
        return "removed"
    if action < 0.08:
        path.unlink()
        path.mkdir()
        return "a folder"
    if action < 0.11:
        target = rng.choice((elsewhere, elsewhere / path.name, path))
        if target == elsewhere / path.name:
            target.write_bytes(path.read_bytes())  # which it may be already, by a link
        path.unlink()
        path.symlink_to(target)
        return f"a link to {target.name}"
    if action < 0.13:
        path.unlink()
        os.mkfifo(path)
        return "a pipe"
    content = path.read_bytes()
    own = BY_SUFFIX.get(path.suffix) if sound else None
    change = rng.choice(BYTES)
    if own and rng.random() < 0.7:
        path.write_bytes(own(rng, content))
        return f"changed as {path.suffix}"
    path.write_bytes(change(rng, content))
    return change.__name__.strip("_")


FLAGS = (
    "--num-gpus", "--gpus-per-trial", "--cpus-per-trial", "--dataset", "--set", "--seeds", "--lr-from", "--wandb",
    "--address", "--out", "--data-root",
)  # fmt: skip
SEARCH_FLAGS = ("--arch", "--freeze", "--trials", "--try", "--search", "--pruner", "--sampler-seed", "--storage")
GOOD = {
    "--dataset": ("scenes", "animals", "camvid"), "--seeds": ("2", "99999"), "--arch": ("fcn8s", "unet"),
    "--freeze": ("both", "encoder"), "--search": ("weight_decay", "batch_size"), "--pruner": ("none", "median"),
}  # fmt: skip
FIELDS = tuple(TrialConfig.__dataclass_fields__)


def command_line(rng: Random, search: bool) -> list[str]:
    flags = FLAGS + (SEARCH_FLAGS if search else ())
    found: list[str] = []
    for _ in range(rng.randrange(1, 4)):
        flag = rng.choice((*flags, "--set", "--set"))
        value = rng.choice((*ODD_TEXTS, *GOOD.get(flag, ()) * 4))
        if flag == "--set" and rng.random() < 0.9:
            value = f"{rng.choice(FIELDS)}={value}"
        found += [flag, value] if rng.random() < 0.5 else [f"{flag}={value}"]
    return found
