"""Which variants and pretrainings of a study start from which. Standard library only."""

from collections.abc import Mapping, Sequence
from typing import Any

from segtrain.config import ConfigError
from segtrain.fields import did_you_mean

FROM = "from"
"""Of a variant: the name of the variant that it starts from."""
PARENT_FIELDS = ("init", "parent")
"""What a study says itself of a trial that starts from another."""

Edit = Mapping[str, Any]


def check_stages(variants: Mapping[str, Edit]) -> None:
    """Raises ConfigError on a variant that starts from none of `variants`, from itself over others, or says besides
    where its weights come from."""
    for name, edit in variants.items():
        if FROM not in edit:
            continue
        if edit[FROM] not in variants:
            near = did_you_mean(str(edit[FROM]), list(variants))
            raise ConfigError(f"variant {name!r} is from {edit[FROM]!r}, which is no variant of this study; {near}")
        for field in PARENT_FIELDS:
            if field in edit:
                raise ConfigError(
                    f"variant {name!r} is from {edit[FROM]!r} and sets {field}={edit[field]}; leave one of them out"
                )
    for name in variants:
        way = [name]
        while (before := variants[way[-1]].get(FROM)) is not None:
            way.append(before)
            if way.count(before) > 1:
                circle = " from ".join(way[way.index(before) :])
                raise ConfigError(f"the variants start from each other in a circle, {circle}; let one of them begin")


def describe_stages(variants: Mapping[str, Edit], pretrainings: Sequence[Edit]) -> list[dict[str, Any]]:
    """Each stage with the one that it starts from, None for what begins: pretrainings in their order, named by their
    number, then variants; None is the name of the trials of a study without any. `edit` is what sets it apart."""
    names = [f"pretraining {number}" if len(pretrainings) > 1 else "pretraining" for number in _numbers(pretrainings)]
    stages: list[dict[str, Any]] = [
        {"name": name, "stage": "pretrain", "from": before, "edit": dict(edit)}
        for name, before, edit in zip(names, [None, *names], pretrainings, strict=False)
    ]
    last = names[-1] if names else None
    named: list[tuple[str | None, Edit]] = [*variants.items()]
    for variant, edit in named or [(None, {})]:
        shared = last if edit.get("init", "parent") == "parent" else None
        rest = {name: value for name, value in edit.items() if name != FROM}
        stages.append({"name": variant, "stage": "trial", "from": edit.get(FROM, shared), "edit": rest})
    return stages


def _numbers(edits: Sequence[Edit]) -> range:
    return range(1, len(edits) + 1)
