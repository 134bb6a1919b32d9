"""Scores of settings over seeds -> effects with one variance each -> p-values and intervals. Arrays in, arrays out.

A claim is a contrast: weights over the study's settings that add up to zero; or one setting's own number, such as by
how much one class of it is better than another. Its effect is the contrast's mean over the seeds that all of its
settings have, and the variance of that mean adds two independent chances:

    seeds    s^2 / n, what training again with other seeds would change
    images   what other test images would change, from a bootstrap (`image_units`)

With three seeds s^2 is known badly, so it is taken from three looks at the same residuals of setting + seed: the spread
of the claim's own paired differences, that of its settings one by one, and that of all the study's settings pooled. The
larger of the first two counts, or POOL_FLOOR of the pooled one where that is larger still: a claim that seems to spread
less than the study was lucky, and the largest of three estimates is too large on average. Degrees of freedom are those
of the pool while spreads are alike. Where the claim spreads more than ALIKE times as much they fall with the cube of
what is beyond, to those that the claim has alone: so the pool helps, and loses its say soon (a plain pool decides
wrongly then, a plain paired t seldom decides at all). Degrees of freedom of the sum are Satterthwaite's (1946). With
two settings all three are the paired t test's, and one setting's own number has that test alone, since what a seed does
to all settings is in it. The numbers in this rule are the best of a search by benchmarks/verdicts.py, which measures
how often the decisions are right.
"""

from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
from scipy.special import stdtr, stdtrit  # scipy.stats takes a second to import

from analysis.inference.estimates import RESOLUTION, Floats

FEWEST_SEEDS = 2
"""One seed decides nothing, however many images there are: the difference may be that of two random starts."""


POOL_FLOOR = 0.75
"""Of the study's pooled variance: a claim's seeds are taken to vary by as much at least."""
ALIKE = 1.3
"""Times the pooled variance: a claim that varies by no more may be as the others are."""


@dataclass(frozen=True)
class Effects:
    """Effects of claims, arrays (..., C): `mean`; `seed_variance` of one seed's difference and its `seed_df`;
    `image_variance` of the mean and its `image_df`; `n` (C,) seeds. NaN where nothing was measured."""

    mean: Floats
    seed_variance: Floats
    seed_df: Floats
    image_variance: Floats
    image_df: Floats
    n: Floats

    @cached_property
    def variance(self) -> Floats:
        return self.seed_variance / np.maximum(self.n, 1) + self.image_variance

    @cached_property
    def df(self) -> Floats:
        return satterthwaite(
            self.seed_variance / np.maximum(self.n, 1), self.seed_df, self.image_variance, self.image_df
        )

    def reach(self, level: float) -> Floats:
        """Half of the interval at `level`."""
        return np.asarray(stdtrit(self.df, (1 + level) / 2) * np.sqrt(self.variance))

    def p_above(self, threshold: Floats | float = 0.0) -> Floats:
        """One-sided p-values against effects of at most `threshold`; NaN where there is no variance to test by."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(stdtr(self.df, (threshold - self.mean) / np.sqrt(self.variance)))

    def p_below(self, threshold: Floats | float = 0.0) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(stdtr(self.df, (self.mean - threshold) / np.sqrt(self.variance)))


def satterthwaite(first: Floats, first_df: Floats, second: Floats, second_df: Floats) -> Floats:
    """Degrees of freedom of the sum of two independent estimated variances (Satterthwaite 1946)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return (first + second) ** 2 / (first**2 / first_df + second**2 / second_df)


def estimate_effects(
    scores: Floats, contrasts: Floats, image_variance: Floats | float = 0.0, image_df: Floats | float = np.inf
) -> Effects:
    """scores (..., S, n) of settings and seeds, NaN where a trial has none, in the same places for all leading indices;
    contrasts (C, S), rows that add up to 0, or to 1 of one setting's own number; the images' variance of each effect,
    (..., C) or one number."""
    leading = scores.shape[:-2]
    table = scores.reshape(prod(leading), *scores.shape[-2:])
    present = ~np.isnan(table[0])
    # A claim's seeds are those that all of its settings have; the differences of one seed belong together.
    complete = np.array([present[contrast != 0].all(0) for contrast in contrasts])
    n = complete.sum(1)
    differences = np.einsum("cs,dsn->dcn", contrasts, np.nan_to_num(table)) * complete
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = differences.sum(2) / n
        around = np.where(complete, differences - mean[..., None], 0.0)
        own = (around**2).sum(2) / (n - 1)
    own[..., n < FEWEST_SEEDS] = np.nan
    seed_variance, seed_df = _seed_variance(table, present, contrasts, own, n)
    floor = (RESOLUTION * np.maximum(1.0, np.abs(np.nan_to_num(mean)))) ** 2
    seed_variance = np.where(seed_variance > floor, seed_variance, np.nan)  # rounding is no spread
    shape = (*leading, len(contrasts))
    return Effects(
        mean.reshape(shape),
        seed_variance.reshape(shape),
        seed_df.reshape(shape),
        np.broadcast_to(np.asarray(image_variance, dtype=np.float64), shape),
        np.broadcast_to(np.asarray(image_df, dtype=np.float64), shape),
        n.astype(np.float64),
    )


def _seed_variance(table: Floats, present: Floats, contrasts: Floats, own: Floats, n: Floats) -> tuple[Floats, Floats]:
    """The variance of one seed's contrast, (D, C), and its degrees of freedom."""
    own_df = np.broadcast_to(np.maximum(n - 1, 1), own.shape)
    # What a seed does to all settings stays in one setting's own number, and the residuals are without it.
    single = np.abs(contrasts.sum(1)) > RESOLUTION
    variance, df = _of_differences(table, present, contrasts, own, own_df)
    return np.where(single, own, variance), np.where(single, own_df, df)


def _of_differences(
    table: Floats, present: Floats, contrasts: Floats, own: Floats, own_df: Floats
) -> tuple[Floats, Floats]:
    """As `_seed_variance`, of contrasts that add up to zero."""
    residuals, free = _residuals(table, present)
    squares = (residuals**2).sum(2)
    pooled_df = float(round(free.sum()))
    if pooled_df < 1:
        return np.full_like(own, np.nan), np.full_like(own, np.nan)
    weights = contrasts**2
    pool = squares.sum(1, keepdims=True) / pooled_df * weights.sum(1)
    spare = free.sum(1)
    by_setting = np.divide(squares, spare, out=np.zeros_like(squares), where=spare > RESOLUTION)
    sides = by_setting @ weights.T
    each_df = np.maximum(present.sum(1) - 1, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        sides_df = sides**2 / ((by_setting**2 / each_df) @ (weights**2).T)
        local = np.maximum(own, sides)
        ratio = local / (ALIKE * pool)
        alone_df = np.minimum(sides_df, np.maximum(own_df, pooled_df / ratio**3))
    variance = np.maximum(local, POOL_FLOOR * pool)
    return variance, np.where(ratio > 1, np.minimum(alone_df, pooled_df), pooled_df)


def _residuals(table: Floats, present: Floats) -> tuple[Floats, Floats]:
    """table (D, S, n) -> its residuals of the least-squares fit of setting + seed, 0 where nothing is present; and what
    is left of each cell's variance after the fit, (S, n): one minus its leverage."""
    settings = len(present)
    counts = np.maximum(present.sum(0), 1)
    # x[s, j] is setting s's dummy after the seed's mean was taken out of it.
    x = (np.eye(settings)[:, None, :] - (present / counts).T[None]) * present[..., None]
    inverse = np.linalg.pinv(np.einsum("snk,snl->kl", x, x))
    values = np.nan_to_num(table)
    centred = (values - values.sum(1, keepdims=True) / counts) * present
    effects = np.einsum("snk,dsn->dk", x, centred) @ inverse
    leverage = 1 / counts + np.einsum("snk,kl,snl->sn", x, inverse, x)
    return centred - np.einsum("snk,dk->dsn", x, effects), (1 - leverage) * present


@dataclass(frozen=True)
class Evidence:
    """p-values (..., C) for what each claim says and against it; NaN where nothing could be tested."""

    p_for: Floats
    p_against: Floats

    @cached_property
    def p_value(self) -> Floats:
        return np.minimum(self.p_for, self.p_against)


def weigh(effects: Effects, margins: Floats | float) -> Evidence:
    """`margins` (C,): NaN for a claim that its effect is above zero, tested on both sides; else the margin that the
    effect is claimed to stay within, tested by two one-sided tests (TOST), and tested to lie beyond on both sides."""
    margins = np.asarray(margins, dtype=np.float64)
    greater, inside = np.isnan(margins), np.nan_to_num(margins)
    beyond = 2 * np.minimum(effects.p_above(inside), effects.p_below(-inside))
    within = np.maximum(effects.p_above(-inside), effects.p_below(inside))
    return Evidence(
        np.minimum(1.0, np.where(greater, 2 * effects.p_above(), within)),
        np.minimum(1.0, np.where(greater, 2 * effects.p_below(), beyond)),
    )
