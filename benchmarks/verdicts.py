"""How often the verdicts are right: made-up studies of known truth, judged by the functions that a report calls.

    python benchmarks/verdicts.py [--studies 4000] [--seed 0]

The study is the FCN grid: six settings, five claims, of which the last compares two gains. Unless a scenario says
otherwise seeds spread by 1 point, and the error that the test images add to a difference is 0.4. All in points.
- false: studies in which some claim that is not true is decided, in per cent; nothing is true, or only a part.
- covered: 95 % intervals that hold the truth, over all claims, and of the claim that fares worst, in per cent.
- power: the share of true claims that are decided.
Prints three tables in markdown, in some minutes on one core.
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.inference import decision, estimates, resampling, spending
from analysis.inference.decision import Effects
from analysis.inference.estimates import ALPHA, LEVEL, Floats
from analysis.inference.spending import Look, next_share, planned_seeds

# 32s, 16s, 8s fine-tuned; 32s, 16s, 8s frozen
CLAIMS = np.array(
    [[0, -1, 1, 0, 0, 0], [-1, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, -1], [1, 0, 0, -1, 0, 0], [-1, 0, 1, 1, 0, -1]],
    dtype=np.float64,
)
NOTHING = np.zeros(6)
ONE = np.array([-1.0, 0, 0, -1, 0, 0])  # only 16s > 32s is true, by one unit
LADDER = np.array([0.0, 1, 2, -1, 0, 1])  # all claims but the last are true, by one unit
SEEDS = (3, 5, 10, 20)
MOST = 20
BATCH = 1000
IMAGE_DF = 232.0


@dataclass(frozen=True)
class World:
    """Where the scores come from. `spread` (6,): of each setting over seeds; `shared`: correlation of the settings'
    scores of one seed, and `by_freeze` that of settings of one freeze only; `tails`: degrees of freedom of Student's t
    that the scores follow, or normal ones; `images`: standard error of a difference; `lost`: share of seeds that
    diverge."""

    name: str
    wild: bool = False
    spread: Sequence[float] = (1.0,) * 6
    shared: float = 0.0
    by_freeze: float = 0.0
    tails: float | None = None
    images: float = 0.4
    lost: float = 0.0

    def scores(self, truth: Floats, studies: int, seeds: int, rng: np.random.Generator) -> Floats:
        """(studies, 6, seeds); NaN where a seed diverged."""
        shape = (studies, 6, seeds)
        own = rng.standard_normal(shape)
        if self.tails:
            own = rng.standard_t(self.tails, shape) / np.sqrt(self.tails / (self.tails - 2))
        common = np.repeat(rng.standard_normal((studies, 2, seeds)), 3, axis=1)
        noise = np.sqrt(self.shared) * rng.standard_normal((studies, 1, seeds)) + np.sqrt(self.by_freeze) * common
        noise = noise + np.sqrt(1 - self.shared - self.by_freeze) * own
        images = self.images / np.sqrt(2) * rng.standard_normal((studies, 6, 1))
        scores = truth[:, None] + np.array(self.spread)[:, None] * noise + images
        return np.where(rng.random(shape) < self.lost, np.nan, scores)

    @property
    def image_variance(self) -> Floats:
        return self.images**2 / 2 * (CLAIMS**2).sum(1)


OURS = (
    World("as in our studies"),
    World("seeds correlated by 0.6", shared=0.6),
    World("images matter more: 1.0", images=1.0),
    World("test images do not matter", images=0.0),
)
WILD = (
    World("fine-tuned spreads 4 times as wide", True, spread=(2, 2, 2, 0.5, 0.5, 0.5)),
    World("one setting spreads 6 times as wide", True, spread=(0.5, 0.5, 3, 0.5, 0.5, 0.5)),
    World("seeds correlated by 0.8 within a freeze", True, by_freeze=0.8),
    World("heavy tails: t of 3 degrees", True, tails=3),
    World("one seed in ten diverges", True, lost=0.1),
)


@dataclass
class Tally:
    """What became of the studies of one world, one truth and one plan; sums over studies."""

    studies: int = 0
    false: int = 0
    covered: Floats = field(default_factory=lambda: np.zeros(len(CLAIMS)))
    measured: Floats = field(default_factory=lambda: np.zeros(len(CLAIMS)))
    found: Floats = field(default_factory=lambda: np.zeros(len(CLAIMS)))
    trained: Floats = field(default_factory=lambda: np.zeros(len(CLAIMS)))

    def add(self, adjusted: Floats, mean: Floats, reach: Floats, truth: Floats, seeds: Floats | float) -> None:
        decided, true = adjusted < ALPHA, truth != 0
        right = decided & (np.sign(mean) == np.sign(truth))
        self.studies += len(adjusted)
        self.false += int((decided & ~right).any(1).sum())
        self.found += (right & true).sum(0)
        known = ~np.isnan(reach)
        self.covered += (np.abs(mean - truth) <= reach).sum(0)
        self.measured += known.sum(0)
        self.trained += np.broadcast_to(seeds, adjusted.shape).sum(0)

    def row(self) -> tuple[float, float, float]:
        """false, covered, covered of the worst claim; in per cent."""
        covered = self.covered / self.measured
        return (
            100 * self.false / self.studies,
            100 * float(self.covered.sum() / self.measured.sum()),
            100 * covered.min(),
        )


def effects_of(scores: Floats, world: World, claims: Floats) -> Iterable[tuple[Floats, Effects]]:
    """The studies in parts that lack the same seeds, which `estimate_effects` takes together, with their places."""
    patterns, place = np.unique(np.isnan(scores).reshape(len(scores), -1), axis=0, return_inverse=True)
    variance = world.image_variance[: len(claims)]
    for number in range(len(patterns)):
        chosen = np.flatnonzero(place.ravel() == number)
        yield chosen, decision.estimate_effects(scores[chosen], claims, variance, IMAGE_DF)


def judged(scores: Floats, world: World, claims: Floats) -> tuple[Floats, Floats, Floats]:
    """p-values, effects and halves of their 95 % intervals, (D, C)."""
    shape = (len(scores), len(claims))
    p_values, means, reaches = np.empty(shape), np.empty(shape), np.empty(shape)
    for chosen, effects in effects_of(scores, world, claims):
        p_values[chosen] = decision.weigh(effects, np.nan).p_value
        means[chosen], reaches[chosen] = effects.mean, effects.reach(LEVEL)
    return p_values, means, reaches


def fixed(world: World, truth: Floats, seeds: int, studies: int, rng: np.random.Generator, claims: int = 5) -> Tally:
    """Studies of so many seeds, looked at once."""
    tally, rows = tally_of(claims), CLAIMS[:claims]
    share = np.array([next_share([], seeds)])
    for batch in batches(studies):
        p_values, means, reaches = judged(world.scores(truth, batch, seeds, rng), world, rows)
        adjusted = estimates.holm(spending.over_looks(p_values[None], share))
        tally.add(adjusted, means, reaches, rows @ truth, seeds)
    return tally


def until_decided(
    world: World, truth: Floats, studies: int, rng: np.random.Generator, by_hand: Sequence[int] = ()
) -> Tally:
    """Studies that look at planned seeds, MOST at most, and train on only the settings of undecided claims; or that
    look `by_hand` at these seeds, which nobody announced."""
    tally = tally_of(len(CLAIMS))
    counts = by_hand or planned_seeds(MOST)
    taken: list[Look] = []
    for seeds in counts:
        taken.append(Look(seeds, next_share(taken, seeds, None if by_hand else MOST)))
    shares = np.array([look.share for look in taken])
    for batch in batches(studies):
        scores = world.scores(truth, batch, counts[-1], rng)
        alive = np.ones((batch, len(CLAIMS)), dtype=bool)
        p_values = np.full((len(counts), batch, len(CLAIMS)), np.nan)
        trained = np.zeros((batch, len(CLAIMS)))
        means, reaches = np.zeros_like(trained), np.zeros_like(trained)
        adjusted = np.ones_like(trained)
        table = np.full_like(scores, np.nan)
        for look, seeds in enumerate(counts):
            before = counts[look - 1] if look else 0
            needed = (alive.astype(float) @ (CLAIMS != 0)) > 0
            table[..., before:seeds] = np.where(needed[..., None], scores[..., before:seeds], np.nan)
            now = judged(table[..., :seeds], world, CLAIMS)
            # A decided claim keeps what it was decided with.
            p_values[look] = np.where(alive, now[0], np.nan)
            means, reaches = np.where(alive, now[1], means), np.where(alive, now[2], reaches)
            trained = np.where(alive, seeds, trained)
            adjusted = estimates.holm(spending.over_looks(p_values[: look + 1], shares[: look + 1]))
            alive &= ~(adjusted < ALPHA)
        tally.add(adjusted, means, reaches, CLAIMS @ truth, trained)
    return tally


def clustered(groups: int, frames: int, units: str, studies: int, rng: np.random.Generator) -> float:
    """Coverage, in per cent, of the 95 % interval of a difference in IoU over test images alone, when images of a drive
    are alike: `groups` drives of `frames` images each, of which a drive's difficulty and that of its neighbours weigh
    as much as an image's own. `units`: `groups` takes the drives as what they are, `images` takes images as
    independent. Where the drives are too few to be drawn, the truth is that of these drives."""
    covered = 0
    drive = np.repeat(np.arange(groups), frames)
    few = groups < resampling.FEWEST_GROUPS
    for _ in range(studies):
        level = np.repeat(rng.normal(0, 1, groups), frames)
        slow = np.concatenate([neighbours(frames, rng) for _ in range(groups)])
        gain = 0.5 * level + 0.5 * slow + 0.5 * rng.standard_normal(groups * frames)
        truth = 0.5 * level if few else np.zeros_like(level)
        hits = np.stack([500 + 40 * rng.standard_normal(len(gain)), 500 + 40 * rng.standard_normal(len(gain))])
        hits[0] += 40 * gain
        found = [two_class(np.clip(side, 0, 1000).astype(np.int64)) for side in hits]
        chosen = resampling.units_of(drive if units == "groups" else None, len(drive))
        weights = resampling.unit_weights(chosen, 400, rng)
        draws = np.subtract(*(resampling.resampled_class_iou(side, weights, 0) for side in found))
        whole = np.ones((1, len(drive)))
        effect = np.subtract(*(resampling.resampled_class_iou(side, whole, 0) for side in found))[0]
        # The IoU of class 0 is hits / (2000 - hits), so a gain of 40 in 500 hits is worth about 40 * 2000 / 1500**2.
        expected = 2000 / 1500**2 * 40 * truth.mean()
        variance = np.array([resampling.variance_over(draws, chosen)])
        one = Effects(np.array([effect]), np.zeros(1), np.ones(1), variance, np.array([chosen.df]), np.ones(1))
        covered += int(abs(effect - expected) <= one.reach(LEVEL)[0])
    return 100 * covered / studies


def neighbours(frames: int, rng: np.random.Generator) -> Floats:
    """(frames,) values of variance 1 of which neighbours are correlated by 0.7."""
    values = rng.standard_normal(frames)
    for index in range(1, frames):
        values[index] = 0.7 * values[index - 1] + np.sqrt(1 - 0.7**2) * values[index]
    return values


def two_class(hits: np.ndarray) -> np.ndarray:
    """(N, 2, 2) of 1000 pixels of either class, of which `hits` of class 0 are right and all else are class 0's."""
    matrices = np.zeros((len(hits), 2, 2), dtype=np.int64)
    matrices[:, 0, 0], matrices[:, 0, 1], matrices[:, 1, 1] = hits, 1000 - hits, 1000
    matrices[:, 1, 0], matrices[:, 1, 1] = 1000 - hits, hits
    return matrices


def tally_of(claims: int) -> Tally:
    return Tally(0, 0, *(np.zeros(claims) for _ in range(4)))


def batches(studies: int) -> list[int]:
    return [min(BATCH, studies - start) for start in range(0, studies, BATCH)]


def decisions(studies: int, rng: np.random.Generator) -> list[list[str]]:
    rows = []
    for world in (*OURS, *WILD):
        for seeds in SEEDS:
            tallies = [fixed(world, points * truth, seeds, studies, rng) for points, truth in ((0, NOTHING), (3, ONE))]
            nothing, some = (tally.row() for tally in tallies)
            alone = fixed(world, NOTHING, seeds, studies, rng, claims=1).row()[0]
            ladders = [fixed(world, points * LADDER, seeds, studies, rng) for points in (1, 3, 5)]
            power = [f"{tally.found[:4].sum() / tally.studies / 4:.2f}" for tally in ladders]
            only = f"{tallies[1].found[1] / studies:.2f}"
            numbers = [f"{number:.1f}" for number in (nothing[0], some[0], alone, nothing[1], nothing[2])]
            rows.append([world.name + (" *" if world.wild else ""), str(seeds), *numbers, *power, only])
    return rows


def looks_taken(studies: int, rng: np.random.Generator) -> list[list[str]]:
    rows = []
    for world in (*OURS, *WILD):
        for name, by_hand in (("planned", ()), ("3, 5, 10 by hand", (3, 5, 10))):
            nothing, some = (until_decided(world, truth, studies, rng, by_hand) for truth in (NOTHING, 3 * ONE))
            row = [world.name + (" *" if world.wild else ""), name]
            row += [f"{number:.1f}" for number in (nothing.row()[0], some.row()[0])]
            for points in (1, 3, 5):
                tally = until_decided(world, points * LADDER, studies, rng, by_hand)
                covered = tally.row()[1]
                power, trained = (each[:4].sum() / studies / 4 for each in (tally.found, tally.trained))
                row += [f"{power:.2f}, {trained:.1f} seeds, {covered:.1f}"]
            rows.append(row)
    return rows


def images_alike(studies: int, rng: np.random.Generator) -> list[list[str]]:
    rows = []
    for groups, frames in ((2, 100), (3, 60), (5, 40), (12, 20), (40, 6)):
        covered = [f"{clustered(groups, frames, units, studies // 4, rng):.1f}" for units in ("groups", "images")]
        rows.append([str(groups), str(frames), *covered])
    return rows


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="How often verdicts are right, on studies of known truth.")
    parser.add_argument("--studies", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    error = 100 * np.sqrt(0.05 * 0.95 / options.studies)
    print(f"{options.studies} studies each; Monte Carlo error of 5 % is {error:.1f}. * is wild.\n\nLooked at once\n")
    head = ["world", "seeds", "false %", "false % (one true)", "false % (one claim)", "covered %", "worst claim"]
    print(markdown([*head, "power 1", "3", "5 points", "3 points, others none"], decisions(options.studies, rng)))
    head = [
        "world",
        "looks",
        "false %",
        "false % (one true)",
        *(f"{p} points: power, seeds, covered %" for p in (1, 3, 5)),
    ]
    print("Until decided\n\n" + markdown(head, looks_taken(options.studies, rng)))
    head = ["drives", "images of each", "covered %", "with images taken as independent"]
    print("Test images alike within a drive\n\n" + markdown(head, images_alike(options.studies, rng)))


if __name__ == "__main__":
    main()
