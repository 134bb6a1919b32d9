"""Several studies as one: what `python -m analysis compare` reports, and the claims that it is asked to judge.

A trial's variant becomes `STUDY: VARIANT`, or the study's name where it has no variants, so that a side may name it.
Only axes that all of the studies have part the comparison into cells; along others each side takes what validates best.
"""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from analysis.read.frames import Study, assemble, find_description
from analysis.read.gathering.study_json import COMPARED_STAGE, Row
from segtrain import records
from segtrain.records import RecordError

COMPARISONS_DIR = "comparisons"


def combine(folders: Sequence[Path], asked: Sequence[Sequence[str]], command: str) -> Study:
    """The trials of the studies in `folders`, of one output folder and on one dataset. `asked`: LEFT, RIGHT and perhaps
    a metric of each claim that LEFT has more of it, where a side is STUDY, STUDY:VARIANT or STUDY:FIELD=VALUE, and
    several of these after the colon part by commas. Raises RecordError."""
    found = [find_description(folder.absolute()) for folder in folders]
    names = [description["name"] for description in found]
    if len(names) < 2 or len(set(names)) < len(names):
        raise RecordError(f"the studies are {', '.join(names)}; allowed: two or more, each once")
    out = {folder.absolute().parent.parent for folder in folders}
    if len(out) > 1:
        raise RecordError(
            f"the studies lie in {len(out)} output folders: {', '.join(sorted(map(str, out)))}; allowed: one, since "
            "their trials lie there; run one of them again with the other's --out"
        )
    entries = {
        entry["trial_id"]: {**entry, "variant": _label(description["name"], entry), "commands": None}
        for description in reversed(found)
        for entry in reversed(description["trials"])
    }
    variants: Row = {entry["variant"]: {} for entry in reversed(entries.values()) if entry["stage"] == COMPARED_STAGE}
    study = assemble(
        out.pop() / COMPARISONS_DIR / "-".join(names),
        {
            "name": "-".join(names),
            "title": " beside ".join(description["title"] for description in found),
            "command": command,
            "axes": {},
            "variants": variants,
            "claims": [_claim(words, variants) for words in asked],
            "trials": list(reversed(entries.values())),
        },
    )
    datasets = study.trials.loc[study.trials["stage"] == COMPARED_STAGE, "dataset"].dropna().unique()
    if len(datasets) > 1:
        raise RecordError(f"the studies are on {', '.join(datasets)}; allowed: one dataset, or scores do not compare")
    return dataclasses.replace(study, axes=_common_axes([description["axes"] for description in found]))


def _label(study: str, entry: Row) -> str:
    variant = entry.get("variant")
    return f"{study}: {variant}" if variant else study


def _common_axes(axes: Sequence[dict[str, list[Any]]]) -> dict[str, list[Any]]:
    """The axes that all have, with every value that one of them has."""
    shared = [name for name in axes[0] if all(name in each for each in axes)]
    return {name: list(dict.fromkeys(value for each in axes for value in each[name])) for name in shared}


def _claim(words: Sequence[str], variants: Iterable[str]) -> Row:
    if len(words) not in (2, 3):
        raise RecordError(
            f"--claim has {len(words)} words: {' '.join(words)}; allowed: LEFT RIGHT, or LEFT RIGHT METRIC"
        )
    left, right, metric = *words[:2], words[2] if len(words) == 3 else records.TEST_MEAN_IOU
    return {
        "text": f"{left} has a higher {metric} than {right}",
        "source": "asked on the command line",
        "left": _side(left, variants),
        "right": _side(right, variants),
        "metric": metric,
    }


def _side(text: str, variants: Iterable[str]) -> Row:
    study, _, rest = text.partition(":")
    parts = [part.strip() for part in rest.split(",") if part.strip()]
    fields = {name: _value(value) for name, equals, value in (part.partition("=") for part in parts) if equals}
    named = [part for part in parts if "=" not in part]
    variant = ": ".join([study, *named])
    if variant not in variants:
        raise RecordError(
            f"--claim names {variant.replace(': ', ':')!r}, which is none of these studies' trials; allowed: "
            f"{', '.join(name.replace(': ', ':') for name in variants)}, and FIELD=VALUE after a colon or a comma"
        )
    return {"variant": variant, **fields}


def _value(text: str) -> Any:
    """As a config.json has it: a number or a flag, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
