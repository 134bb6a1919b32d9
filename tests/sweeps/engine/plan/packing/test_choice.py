"""Which packing is taken for which measurements, worked by hand, and what is said of it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from segtrain.config import TrialConfig
from sweeps.engine.ask.command_line import build_parser, chosen_options
from sweeps.engine.ask.options import Options
from sweeps.engine.ask.study import Study, Trial
from sweeps.engine.plan.packing import choice as choice_module
from sweeps.engine.plan.packing import packed as packed_module
from sweeps.engine.plan.packing.choice import Choice, Look, candidates, choose, describe, unknown, waited_for
from sweeps.engine.plan.packing.packed import packed
from sweeps.engine.plan.packing.probing import Measured, Packing
from sweeps.engine.plan.resources import ResourceError
from sweeps.fcn_grid import STUDY

BASE = TrialConfig(arch="fcn8s", dataset="scenes", init="scratch", epochs=10)
FOUR = Study(name="four", title="Four", base=BASE, axes={"seed": (0, 1, 2, 3)}).expand()
STAGED = Study(
    name="staged", title="Staged", base=BASE, axes={"seed": (0, 1)}, pretrain={"dataset": "scenes_source"}
).expand()
TWO, ONE = Packing(2, 1), Packing(1, 2)
"""Of two cores."""


@pytest.fixture(autouse=True)
def one_operation_an_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice_module, "flops_per_image", lambda *_: (1, 1))


def rates(of: dict[Packing, float], free_share: float = 0.5) -> Look:
    return lambda config, packing: Measured(of[packing], free_share) if packing in of else None


def chosen(
    trials: list[Trial], of: dict[Packing, float], free_share: float = 0.5, num_gpus: int = 0, repeats: int = 1
) -> Choice:
    packings = [Packing(n, 1, on_gpu=True) for n in (1, 2, 4)] if num_gpus else [TWO, ONE]
    choice = choose(trials, lambda config: 1.0, packings, num_gpus, rates(of, free_share), repeats)
    assert choice is not None
    return choice


@pytest.mark.parametrize(
    ("cores", "expected"),
    [
        (1, [(1, 1)]),
        (2, [(2, 1), (1, 2)]),
        (6, [(6, 1), (3, 2), (1, 4), (1, 6)]),
        (16, [(8, 2), (4, 4), (2, 8), (1, 16)]),
    ],
)
def test_cores_are_shared_by_eight_trials_at_most(cores: int, expected: list[tuple[int, int]]) -> None:
    assert candidates({"CPU": float(cores)}, 0) == [Packing(*each) for each in expected]


def test_a_gpu_is_shared_by_no_more_trials_than_there_are_cores() -> None:
    assert [each.trials for each in candidates({"CPU": 8.0, "GPU": 2.0}, 2)] == [1, 2, 4]
    assert [each.trials for each in candidates({"CPU": 1.0, "GPU": 2.0}, 2)] == [1]


@pytest.mark.parametrize(
    ("two", "one", "best"),
    [(10.0, 15.0, TWO), (10.0, 25.0, ONE), (10.0, 20.5, TWO), (10.0, 21.5, ONE)],
)
def test_the_packing_that_ends_soonest_is_taken_when_it_gains_more_than_a_measurement_may_err(
    two: float, one: float, best: Packing
) -> None:
    choice = chosen(FOUR, {TWO: two, ONE: one})
    assert choice.packing == best
    assert choice.seconds[TWO] / choice.seconds[ONE] == pytest.approx(one / two / 2)


def test_what_leaves_too_little_memory_or_dies_is_not_taken() -> None:
    assert chosen(FOUR, {TWO: 0.0, ONE: 10.0}).packing == ONE
    assert chosen(FOUR, {TWO: 0.0, ONE: 0.0}).packing == TWO, "the usual one, as without auto"
    assert chosen(FOUR, {TWO: 10.0, ONE: 30.0}, free_share=0.05).seconds == {}


def test_on_a_gpu_none_is_tried_behind_the_first_that_does_not_fit() -> None:
    of = {Packing(1, 1, on_gpu=True): 10.0, Packing(2, 1, on_gpu=True): 8.0}
    with pytest.raises(AssertionError):
        chosen(FOUR, of, num_gpus=1)  # four together would have been measured
    choice = chosen(FOUR, {**of, Packing(4, 1, on_gpu=True): 0.0}, num_gpus=1)
    assert choice.packing == Packing(2, 1, on_gpu=True)
    assert describe(choice, {}) == ("packing: 2 on a GPU; all in 2 s, by a moment of training (1 trial on a GPU: 4 s)")


def test_the_choice_counts_what_waits_and_how_often_a_search_trains() -> None:
    """A chain runs one after the other however many slots there are; twelve trials of one cell do not."""
    (first,) = FOUR[:1]
    assert chosen([first], {TWO: 10.0, ONE: 15.0}).packing == ONE
    assert chosen([first], {TWO: 10.0, ONE: 15.0}, repeats=12).packing == TWO


def test_a_trial_that_all_wait_for_has_all_cores() -> None:
    assert waited_for(STAGED) == {STAGED[0].trial_id}
    assert waited_for(FOUR) == frozenset()
    chain = Study(
        name="chain", title="C", base=BASE, axes={"seed": (0, 1)}, pretrain=[{"dataset": d} for d in ("objects", "voc")]
    ).expand()
    assert waited_for(chain) == {trial.trial_id for trial in chain[:2]}, "one after the other"
    choice = chosen(STAGED, {TWO: 10.0, ONE: 15.0})
    assert (choice.packing, choice.wide) == (TWO, {STAGED[0].trial_id})
    slower = chosen(STAGED, {TWO: 10.0, ONE: 10.2})
    assert (slower.packing, slower.wide) == (TWO, frozenset()), "where more cores are of no use it has one"
    assert choice.seconds[TWO] < slower.seconds[TWO]
    said = describe(choice, {trial.trial_id: trial.run_name for trial in STAGED})
    assert said.endswith(f"; {STAGED[0].run_name} has all cores, since everything waits for it")


def test_what_is_not_known_is_said_and_changes_nothing(tmp_path: Path) -> None:
    assert choose(FOUR, lambda config: 1.0, [TWO, ONE], 0, rates({TWO: 10.0})) is None
    assert unknown([TWO, ONE]) == (
        "packing: will be measured before the first trial, some seconds each: 2 trials at once with 1 core each, "
        "1 trial at once with 2 cores each; shown is the first"
    )


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Options]:
    """measured(*words, gpus=0) -> the options of a command line on two cores, where two cores are worth 2.5."""
    monkeypatch.setattr(packed_module, "measure", rates({TWO: 10.0, ONE: 25.0, **{
        Packing(n, 1, on_gpu=True): 10.0 for n in (1, 2)
    }}))  # fmt: skip

    def run(*words: str, gpus: int = 0, trials: list[Trial] = FOUR) -> Options:
        options = chosen_options(build_parser(STUDY).parse_args(words))
        nodes = [{"CPU": 2.0, "GPU": float(gpus)}]
        return packed(trials, options, nodes, lambda config: 1.0, Console(quiet=True))

    return run


def test_auto_becomes_numbers(measured: Callable[..., Options]) -> None:
    assert measured("--cpus-per-trial", "auto").resources[:3] == (None, None, 2)
    assert measured("--cpus-per-trial", "1").resources[:3] == (None, None, 1)
    assert measured("--gpus-per-trial", "auto", gpus=1).resources[:3] == (None, 0.5, 1)
    assert measured("--cpus-per-trial", "auto", gpus=1).resources[:3] == (None, None, 1)
    with pytest.raises(ResourceError, match=r"^--gpus-per-trial is auto but there is no GPU to share; leave it out$"):
        measured("--gpus-per-trial", "auto")
