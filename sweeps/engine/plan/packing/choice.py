"""Which packing trains a study soonest. It is chosen for the whole study, as if nothing had run yet: the threads of a
trial decide its last bits, so they must not depend on where a command was killed."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from segtrain.config import TrialConfig
from segtrain.data.by_name import find_dataset
from segtrain.training.operation_counts import flops_per_image
from sweeps.engine.ask.study import Trial
from sweeps.engine.plan.cost import duration, makespan
from sweeps.engine.plan.packing.probing import Measured, Packing, shape_of

MOST_BESIDE = 8
MOST_SHAPES = 3
"""The costliest ones are measured; the others are taken to be like the first."""
LEAST_FREE = 0.1
"""Of the memory, that trials beside one another have to leave: the margin for what a probe does not do."""
LEAST_GAIN = 0.05
"""A packing is preferred to one before it when the study ends so much sooner: measurements differ by some percent."""

Look = Callable[[TrialConfig, Packing], Measured | None]


@dataclass(frozen=True)
class Choice:
    """`seconds` of the study by packing, of those that fit; a trial for which all others wait has all cores."""

    packing: Packing
    seconds: Mapping[Packing, float]
    wide: frozenset[str] = frozenset()  # ids of trials that have the machine to themselves, and all of its cores


def candidates(node: Mapping[str, float], num_gpus: int) -> list[Packing]:
    """The usual one first."""
    cores = max(1, int(node["CPU"]))
    if num_gpus:
        return [Packing(trials, 1, on_gpu=True) for trials in (1, 2, 4, 8) if trials == 1 or trials * num_gpus <= cores]
    threads = {1, cores} | {2**power for power in range(1, cores.bit_length()) if 2**power < cores}
    return [Packing(cores // each, each) for each in sorted(threads) if cores // each <= MOST_BESIDE]


def choose(
    trials: Sequence[Trial],
    epoch_flops: Callable[[TrialConfig], float],
    packings: Sequence[Packing],
    num_gpus: int,
    look: Look,
    repeats: int = 1,
) -> Choice | None:
    """The one of `packings` with which all of `trials` end soonest, each but a pretraining `repeats` times, by `look`;
    None where that does not know one."""
    flops = {trial.trial_id: trial.config.epochs * epoch_flops(trial.config) for trial in trials}
    shapes = _costliest(trials, flops)
    alone = max(packings, key=lambda packing: packing.threads)
    waited = frozenset[str]() if num_gpus else waited_for(trials)
    single = _rates(shapes, alone, look) if waited else {}
    found: dict[Packing, tuple[float, frozenset[str]]] = {}  # seconds, and what has all cores
    for packing in packings:
        rates = _rates(shapes, packing, look)
        if rates is None or single is None:
            return None
        if not rates and packing.on_gpu:
            break  # nor would more of them fit
        if not rates:
            continue
        durations, wide = list[tuple[str, float, str | None]](), set[str]()
        for trial in trials:
            shape = shape_of(trial.config)
            shape = shape if shape in shapes else next(iter(shapes))
            rate = rates[shape]
            if trial.trial_id in waited and single.get(shape, 0.0) > (1 + LEAST_GAIN) * rate:
                rate = single[shape]
                wide.add(trial.trial_id)
            for number in range(1 if trial.stage == "pretrain" else repeats):
                name = f"{trial.trial_id} {number}" if number else trial.trial_id
                durations.append((name, flops[trial.trial_id] / rate, trial.config.parent))
        found[packing] = makespan(durations, packing.trials * max(1, num_gpus)), frozenset(wide)
    seconds = {packing: needed for packing, (needed, _) in found.items()}
    if not seconds:
        return Choice(packings[0], {})
    best = next(iter(seconds))
    for packing, needed in seconds.items():
        if needed < (1 - LEAST_GAIN) * seconds[best]:
            best = packing
    return Choice(best, seconds, found[best][1])


def waited_for(trials: Sequence[Trial]) -> frozenset[str]:
    """Ids of the trials beside which none could run: every other waits for it, or it for that."""
    behind: dict[str, int] = defaultdict(int)
    for trial in trials:
        for before in trial.ancestors:
            behind[before.trial_id] += 1
    others = len(trials) - 1
    return frozenset(
        t.trial_id for t in trials if behind[t.trial_id] and behind[t.trial_id] + len(t.ancestors) == others
    )


def describe(choice: Choice, names: Mapping[str, str]) -> str:
    """In a line; `names` are those of runs, by trial id."""
    if not choice.seconds:
        return f"packing: {_words(choice.packing)}; no trial came to its end when it was tried on noise"
    others = [f"{_words(p)}: {duration(s)}" for p, s in choice.seconds.items() if p != choice.packing]
    why = f" ({', '.join(others)})" if others else " (no more fit)"
    wide = "".join(f"; {names[each]} has all cores, since everything waits for it" for each in sorted(choice.wide))
    needed = duration(choice.seconds[choice.packing])
    return f"packing: {_words(choice.packing)}; all in {needed}, by a moment of training{why}{wide}"


def unknown(packings: Sequence[Packing]) -> str:
    """Before anything was measured."""
    tried = ", ".join(map(_words, packings))
    return f"packing: will be measured before the first trial, some seconds each: {tried}; shown is the first"


def _words(packing: Packing) -> str:
    if packing.on_gpu:
        return f"{packing.trials} on a GPU" if packing.trials > 1 else "1 trial on a GPU"
    trials = "1 trial" if packing.trials == 1 else f"{packing.trials} trials"
    return f"{trials} at once with {packing.threads} {'core' if packing.threads == 1 else 'cores'} each"


def _costliest(trials: Sequence[Trial], flops: Mapping[str, float]) -> dict[tuple[object, ...], TrialConfig]:
    spent: dict[tuple[object, ...], float] = defaultdict(float)
    first: dict[tuple[object, ...], TrialConfig] = {}
    for trial in trials:
        shape = shape_of(trial.config)
        spent[shape] += flops[trial.trial_id]
        first.setdefault(shape, trial.config)
    return {shape: first[shape] for shape in sorted(spent, key=lambda shape: -spent[shape])[:MOST_SHAPES]}


def _rates(
    shapes: Mapping[tuple[object, ...], TrialConfig], packing: Packing, look: Look
) -> dict[tuple[object, ...], float] | None:
    """Operations a second of a trial of each shape; empty where one does not fit, None where one is not known."""
    rates = {}
    for shape, config in shapes.items():
        measured = look(config, packing)
        if measured is None:
            return None
        if measured.images_per_s <= 0 or measured.free_share < LEAST_FREE:
            return {}
        dataset = find_dataset(config.dataset)
        training, _ = flops_per_image(config, sum(dataset.outputs), dataset.streams)
        rates[shape] = measured.images_per_s * training
    return rates
