"""Choosing a setting by validation, and what the choice does to the numbers. Arrays in, numbers out."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from analysis.inference.estimates import Floats

TUNED = ("lr", "weight_decay", "batch_size")
"""Fields that are no part of a comparison: each side takes the values that validate best for it."""


def choose(
    validation: Sequence[float] | Floats,
    diverged: Sequence[float] | Floats,
    unfinished: Sequence[bool] | npt.NDArray[np.bool_] | None = None,
) -> int | None:
    """Which of several settings to compare with: of those whose seeds are complete, and of these with the smallest
    share of `diverged` seeds, the one with the highest mean `validation` score, the earlier one on a tie; None where
    no setting has a score. `unfinished` ones are chosen among where none is complete.

    A setting at which some seeds diverge was lucky in the others, so it loses against any at which none does.
    """
    scores, shares = np.asarray(validation, dtype=np.float64), np.asarray(diverged, dtype=np.float64)
    waiting = np.zeros(len(scores), dtype=bool) if unfinished is None else np.asarray(unfinished, dtype=bool)
    scored = np.flatnonzero(~np.isnan(scores))
    if not len(scored):
        return None
    return int(min(scored, key=lambda index: (waiting[index], shares[index], -scores[index])))


def flattery(validation: Floats, test: Floats) -> float:
    """By how much a choice among settings flatters the test score that is shown for it, in the score's own unit.

    validation, test (R, n): R settings over the same n seeds, which both choose the setting and give its score. Each
    seed's score is compared with what a choice by the other seeds alone would have shown. NaN below two seeds or
    settings, and where a score is missing.
    """
    settings, seeds = validation.shape
    if settings < 2 or seeds < 2 or np.isnan(validation).any() or np.isnan(test).any():
        return float("nan")
    shown = test[validation.mean(1).argmax()].mean()
    chosen_by_others = (validation.sum(1, keepdims=True) - validation).argmax(0)
    return float(shown - test[chosen_by_others, np.arange(seeds)].mean())


def more_tries(left: int, right: int) -> str:
    """What a comparison of the best of `left` with the best of `right` settings has to say; blank when it is fair."""
    if left == right:
        return ""
    side, more, fewer = ("left", left, right) if left > right else ("right", right, left)
    return f"the {side} side had more tries: it was chosen among {more} settings, the other among {fewer}"
