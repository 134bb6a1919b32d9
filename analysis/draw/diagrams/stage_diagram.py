"""Which trials start from which: groups of a study that differ in their stage, model or data, from left to right."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analysis.draw.diagrams import svg
from analysis.draw.diagrams.svg import Box
from analysis.read.frames import Study

MOST_GROUPS = 40
ROW, COLUMN_GAP, HEIGHT = 56, 70, 40


@dataclass
class StageGroup:
    """`trials` of one stage, model and data; `parents` are the names of groups, with what is taken from them."""

    label: str
    data: str
    trials: int = 0
    depth: int = 0
    parents: dict[Any, str] = field(default_factory=dict)

    def below(self) -> str:
        return f"{self.data}, {self.trials} trial{'s' if self.trials > 1 else ''}"


def stage_groups(study: Study) -> dict[Any, StageGroup]:
    """By their key; parents before children. Empty where no trial starts from another."""
    rows = {row["trial_id"]: row for row in study.trials.to_dict("records")}
    groups: dict[Any, StageGroup] = {}
    for trial_id, row in rows.items():
        ancestors = _ancestors(rows, trial_id)
        for depth, ancestor in enumerate(ancestors):
            _group_of(groups, rows[ancestor]).depth = max(_group_of(groups, rows[ancestor]).depth, depth)
        group = _group_of(groups, row)
        group.trials += 1
        if len(ancestors) > 1:
            taken = study.configs.get(trial_id, {}).get("take")
            group.parents[_key(rows[ancestors[-2]])] = "all that fits" if taken == "all" else "encoder"
    return (
        dict(sorted(groups.items(), key=lambda item: item[1].depth)) if any(g.parents for g in groups.values()) else {}
    )


def _ancestors(rows: Mapping[str, Mapping[Any, Any]], trial_id: str) -> list[str]:
    """Of the study, the first one first, the trial itself last. Chains that go round were made unreadable."""
    found = [trial_id]
    while isinstance(parent := rows[found[0]].get("parent"), str) and parent in rows and parent not in found:
        found.insert(0, parent)
    return found


def _key(row: Mapping[Any, Any]) -> tuple[str, ...]:
    return tuple("" if pd.isna(row[name]) else str(row[name]) for name in ("stage", "model", "dataset"))


def _group_of(groups: dict[Any, StageGroup], row: Mapping[Any, Any]) -> StageGroup:
    stage, model, dataset = _key(row)
    words = {"pretrain": "pretraining of ", "tune": "tuning of "}
    return groups.setdefault(
        _key(row), StageGroup(words.get(stage, "") + (model or "unknown"), dataset or "unknown data")
    )


def draw_stages(study: Study) -> str | None:
    """SVG; None where no trial starts from another, or there are too many groups for a picture."""
    groups = stage_groups(study)
    if not 0 < len(groups) <= MOST_GROUPS:
        return None
    columns: dict[int, list[Any]] = {}
    for key, group in groups.items():
        columns.setdefault(group.depth, []).append(key)
    rows = max(map(len, columns.values()))
    boxes: dict[Any, Box] = {}
    x = 2.0
    for depth in sorted(columns):
        keys = columns[depth]
        width = 20 + max(svg.width_of(text) for key in keys for text in (groups[key].label, groups[key].below()))
        start = (rows - len(keys)) * ROW / 2 + 4
        boxes |= {key: Box(x, start + row * ROW, width, HEIGHT) for row, key in enumerate(keys)}
        x += width + COLUMN_GAP
    parts = []
    for key, group in groups.items():
        box = boxes[key]
        for parent, taken in group.parents.items():
            begin = boxes[parent]
            kind = "flow" if taken == "encoder" else "flow whole"
            parts.append(svg.arrow((begin.x + begin.width, begin.middle), (box.x, box.middle), kind))
        parts += [
            svg.rectangle(box, "encoder" if not group.parents else "decoder", f"{group.label}: {group.below()}"),
            svg.words(box.x + box.width / 2, box.y + 17, group.label),
            svg.words(box.x + box.width / 2, box.y + 32, group.below(), "soft"),
        ]
    label = "; ".join(
        f"{group.label} on {group.below()}"
        + "".join(f", from the {taken} of {groups[parent].label}" for parent, taken in group.parents.items())
        for group in groups.values()
    )
    return svg.drawing(x - COLUMN_GAP + 4, rows * ROW, label, parts)
