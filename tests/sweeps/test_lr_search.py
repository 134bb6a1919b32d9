"""`python sweeps/lr_search.py`: killed at several moments it spends the same budget, and what it finds goes on."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from segtrain import records
from sweeps.lr_search import DEMO
from tests.sweeps.harness import TINY, Sweep, half_done, kill

SCRIPT = "sweeps/lr_search.py"
BUDGET = 7
SEARCH = (*TINY, "--set", "init=scratch", "--trials", str(BUDGET), "--set", "epochs=6")
SET_STATE = 6  # Optuna's journal: "set trial state and values"


def test_what_the_demo_tunes_frozen_is_on_an_encoder_that_was_trained() -> None:
    chosen = DEMO.edit({"arch": ("fcn8s", "unet"), "freeze": ("none", "encoder")})
    assert all(cell.parent is not None and cell.parent.dataset == "scenes_source" for cell in chosen.cells())
    assert [cell.parent.arch for cell in chosen.cells() if cell.parent] == ["fcn8s", "fcn8s", "unet", "unet"]


def trials(out: Path) -> list[FrozenTrial]:
    storage = JournalStorage(JournalFileBackend(str(out / "studies/lr_search/optuna.journal")))
    return optuna.load_study(study_name="lr_search/fcn8s-unfreeze", storage=storage).get_trials()


def test_killed_at_several_moments_it_spends_the_same_budget_and_tells_every_trial_once(
    start: Callable[..., Sweep], call: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = (*SEARCH, "--out", str(out))

    # The driver, while trials are half done; then everything, right after a trial has ended.
    sweep = start(*command, script=SCRIPT)
    sweep.wait_until(lambda: half_done(out))
    sweep.kill_driver()
    sweep = start(*command, script=SCRIPT)
    sweep.wait_until(lambda: any(state in sweep.text() for state in ("  pruned", "  finished")))
    sweep.kill_everything()
    between = trials(out)

    # A worker; the search goes on and ends well.
    sweep = start(*command, script=SCRIPT)
    sweep.wait_until(lambda: bool(sweep.epoch_lines()))
    kill(sweep.workers()[0])
    assert sweep.wait() == 0, sweep.text()

    ended = trials(out)
    assert len(ended) == BUDGET
    assert {t.state for t in ended} <= {TrialState.COMPLETE, TrialState.PRUNED}
    asked = {t.number: t.params["lr"] for t in between if t.params}
    assert asked
    assert asked.items() <= {t.number: t.params["lr"] for t in ended}.items()
    assert len({t.params["lr"] for t in ended}) == BUDGET
    journal = (out / "studies/lr_search/optuna.journal").read_text().splitlines()
    told = Counter(
        line["trial_id"] for line in map(json.loads, journal) if line["op_code"] == SET_STATE and line["state"] != 0
    )
    assert sorted(told.values()) == [1] * BUDGET, "a trial was told twice, or never"
    # Optuna knows of every epoch that a folder knows of, with the same value, and trials stopped where it says.
    stored = records.read_json(out / "studies/lr_search" / records.SEARCH_FILE)["cells"][0]["trials"]
    for frozen, entry in zip(ended, stored, strict=True):
        folder = records.trial_dir(out, entry["trial_id"])
        lines = records.read_metrics(folder)
        assert frozen.intermediate_values == {line[records.EPOCH]: line[records.VAL_MEAN_IOU] for line in lines}
        status = records.read_status(folder)
        assert status is not None
        assert (status.state == "finished") == (frozen.state == TrialState.COMPLETE)
        assert status.epoch == entry["epochs"] == len(lines)
        assert not (folder / records.LAST_FILE).exists()

    # The grid at the rate that was found: that trial has been trained already.
    best = max(t.value for t in ended if t.state == TrialState.COMPLETE)  # type: ignore[type-var]
    found = records.read_json(out / "studies/lr_search" / records.FOUND_FILE)["cells"][0]
    assert found[records.VAL_MEAN_IOU] == best
    code, text = call(
        *TINY, "--set", "init=scratch", "--set", "epochs=6", "--set", "arch=fcn8s", "--set", "freeze=none",
        "--lr-from", str(out / "studies/lr_search"), "--out", str(out), "--plan",
    )  # fmt: skip
    assert code == 0
    assert f"fcn8s-unfreeze-lr{found['params']['lr']:g}" in text
    assert "skip, finished" in text
