from typing import Any

import pandas as pd
import pytest

from analysis.read.frames import load
from analysis.statistics import selection
from segtrain import records


def test_the_best_setting_is_chosen_by_validation_and_not_by_test(builder: Any) -> None:
    builder.trial([0.6], 0.9, lr=0.1)
    builder.trial([0.7], 0.5, lr=0.2)
    best = selection.best_settings(load(builder.write()), ["model", "freeze"])
    assert best["lr"].tolist() == [0.2]
    assert best["test/mean_iou"].tolist() == [0.5]
    assert best["val/mean_iou"].tolist() == [0.7]


def test_seeds_are_averaged_before_the_choice(builder: Any) -> None:
    # One lucky seed: 0.9 is the best single trial, but its setting's mean is 0.7.
    for seed, (first, second) in enumerate([(0.5, 0.75), (0.9, 0.75)]):
        builder.trial([first], lr=0.1, seed=seed)
        builder.trial([second], lr=0.2, seed=seed)
    best = selection.best_settings(load(builder.write()), ["model"])
    assert best["lr"].tolist() == [0.2]
    assert best["val/mean_iou"].tolist() == [0.75]


def test_mean_and_interval_over_seeds(builder: Any) -> None:
    for seed, test in enumerate([0.5, 0.6, 0.7]):
        builder.trial(test=test, seed=seed)
    builder.trial([0.4], state="running", seed=3)
    row = selection.settings(load(builder.write())).iloc[0]
    assert (row["n"], row["planned"], row["seeds"]) == (3, 4, "0, 1, 2")
    assert row["test/mean_iou"] == pytest.approx(0.6)
    # t of 2 degrees of freedom is 4.3027, the standard deviation 0.1
    assert row["test/mean_iou_high"] - 0.6 == pytest.approx(4.3027 * 0.1 / 3**0.5, abs=1e-5)
    assert row["test/mean_iou_n"] == 3
    assert (row["parameters_n"], pd.isna(row["parameters"])) == (0, True)


def test_one_seed_has_no_interval(builder: Any) -> None:
    builder.trial()
    row = selection.settings(load(builder.write())).iloc[0]
    assert row["n"] == 1
    assert pd.isna(row["test/mean_iou_low"])


def test_only_finished_trials_of_the_compared_stage_count(builder: Any) -> None:
    builder.trial([0.9], 0.9, lr=0.1, stage="pretrain")
    builder.trial([0.8], lr=0.2, state="running")
    builder.trial([0.8], lr=0.3, state="diverged")
    builder.trial([0.7], None, lr=0.4)
    builder.trial([0.3], 0.3, lr=0.5)
    assert selection.settings(load(builder.write()))["lr"].tolist() == [0.5]


def test_a_trial_that_was_tested_and_is_not_finished_does_not_count(builder: Any) -> None:
    folder = builder.trial([0.9], 0.9)
    records.write_status(folder, records.Status(state="running", epoch=1, epochs=1, runtime_s=1.0))
    study = load(builder.write())
    assert study.trials["test/mean_iou"].tolist() == [0.9]
    assert selection.settings(study).empty


def test_the_earlier_setting_wins_a_tie(builder: Any) -> None:
    for lr in (0.3, 0.1, 0.2):
        builder.trial([0.5], lr=lr)
    assert selection.best_settings(load(builder.write()), ["model"])["lr"].tolist() == [0.3]


def test_a_cell_says_how_many_settings_it_was_chosen_from(builder: Any) -> None:
    builder.trial(lr=0.1)
    builder.trial(lr=0.2)
    builder.trial(lr=0.2, seed=1)
    builder.trial(lr=0.3, state="failed")
    cells = selection.best_cells(load(builder.write()))
    assert cells[["settings_done", "settings_known"]].values.tolist() == [[2, 3]]


def test_best_models_are_ranked_by_validation_with_the_best_seed_of_each(builder: Any) -> None:
    builder.trial([0.5], 0.9, arch="fcn8s")
    builder.trial([0.6], 0.1, arch="fcn16s")
    best = builder.trial([0.1, 0.8], 0.2, arch="fcn16s", seed=1)
    models = selection.best_models(load(builder.write()))
    assert models["model"].tolist() == ["fcn16s", "fcn8s"]
    assert models["folder"].tolist()[0] == f"trials/{best.name}"
    assert models["best_epoch"].tolist() == [2, 1]
    assert models["val/mean_iou"].tolist() == pytest.approx([0.7, 0.5])


def test_curves_have_the_mean_and_the_range_of_the_seeds_that_got_there(builder: Any) -> None:
    builder.trial([0.1, 0.4], seed=0)
    builder.trial([0.3, 0.8, 0.9], seed=1)
    builder.trial([0.8], seed=2)
    builder.trial([0.9], stage="pretrain", lr=0.5)
    curves = selection.curves(load(builder.write()), "val/mean_iou", 24)
    assert curves["epoch"].tolist() == [1, 2, 3]
    assert curves["mean"].tolist() == pytest.approx([0.4, 0.6, 0.9])
    assert curves["low"].tolist() == [0.1, 0.4, 0.9]
    assert curves["high"].tolist() == [0.8, 0.8, 0.9]
    assert curves["n"].tolist() == [3, 2, 1]
    assert not curves["diverged"].any()


def test_curves_keep_trials_that_did_not_finish_and_mark_the_diverged(builder: Any) -> None:
    builder.trial([0.1, 0.2], state="diverged", lr=0.1)
    builder.trial([0.3], state="running", lr=0.2)
    curves = selection.curves(load(builder.write()), "val/mean_iou", 24)
    assert curves[["lr", "epoch", "diverged"]].values.tolist() == [[0.1, 1, True], [0.1, 2, True], [0.2, 1, False]]


def test_curves_leave_out_epochs_at_which_nothing_was_measured(builder: Any) -> None:
    builder.trial([0.1, float("nan"), 0.3])
    study = load(builder.write())
    assert selection.curves(study, "val/mean_iou", 24)["epoch"].tolist() == [1, 3]
    assert selection.curves(study, "train/loss", 24)["epoch"].tolist() == [1, 2, 3]
    assert selection.curves(study, "test/mean_iou", 24).empty


def test_class_scores_are_those_of_the_best_models_and_missing_stays_missing(builder: Any) -> None:
    builder.trial([0.9], iou=[0.2, None], lr=0.1, seed=0)
    builder.trial([0.9], iou=[0.4, None], lr=0.1, seed=1)
    builder.trial([0.1], iou=[1.0, 1.0], lr=0.2)
    scores = selection.class_scores(load(builder.write()))
    assert scores["class_name"].tolist() == ["road", "sky"]
    assert scores["mean"].tolist()[0] == pytest.approx(0.3)
    assert pd.isna(scores["mean"][1])
    assert scores["n"].tolist() == [2, 0]
    assert scores["high"][0] - 0.3 == pytest.approx(12.7062 * 0.1, abs=1e-4)  # t of one degree of freedom


def test_the_order_is_that_of_the_axis_and_then_of_appearance(builder: Any) -> None:
    builder.trial(arch="fcn8s")
    builder.trial(arch="fcn16s", freeze="encoder")
    study = load(builder.write(axes={"arch": ["fcn32s", "fcn16s"], "freeze": ["encoder"]}))
    assert selection.order(study, "model") == ["fcn32s", "fcn16s", "fcn8s"]
    assert selection.order(study, "freeze") == ["freeze", "unfreeze"]


def test_a_study_without_results_has_empty_statistics(builder: Any) -> None:
    builder.enter(builder.config())
    study = load(builder.write())
    assert selection.settings(study).empty
    assert selection.best_cells(study).empty
    assert selection.best_models(study).empty
    assert selection.class_scores(study).empty
    assert selection.curves(study, "val/mean_iou", 24).empty


def test_with_too_many_settings_the_best_of_each_model_and_freeze_are_drawn(builder: Any) -> None:
    for lr, score in ((0.1, 0.3), (0.2, 0.6), (0.3, 0.5)):
        builder.trial([score], lr=lr)
        builder.trial([1 - score], lr=lr, freeze="encoder", state="running")
    curves = selection.curves(load(builder.write()), "val/mean_iou", 5)
    assert curves[["freeze", "lr", "mean"]].values.tolist() == [["freeze", 0.1, 0.7], ["unfreeze", 0.2, 0.6]]


def test_a_cell_is_named_by_its_freeze_only_where_that_tells_something(builder: Any) -> None:
    builder.trial(arch="fcn8s")
    assert selection.best_cells(load(builder.write()))["name"].tolist() == ["fcn8s"]
    builder.trial(arch="fcn8s", freeze="encoder")
    assert selection.best_cells(load(builder.write()))["name"].tolist() == ["fcn8s, unfreeze", "fcn8s, freeze"]
    builder.trial(variant="frozen", freeze="encoder", lr=0.1)
    names = selection.best_cells(load(builder.write(variants={"frozen": {}})))["name"].tolist()
    assert names[0] == "frozen"


def test_a_setting_of_which_seeds_diverged_is_not_the_headline(builder: Any) -> None:
    for seed in range(3):
        builder.trial([0.9], 0.9, arch="fcn8s", seed=seed, state="diverged" if seed else "finished")
        builder.trial([0.5], 0.5, arch="fcn16s", seed=seed)
    models = selection.best_models(load(builder.write()))
    assert models["model"].tolist() == ["fcn16s", "fcn8s"]
    assert models[["n", "planned", "diverged", "unfinished"]].values.tolist() == [[3, 3, 0, 0], [1, 3, 2, 0]]


def test_a_setting_is_ranked_when_its_seeds_are_complete(builder: Any) -> None:
    builder.trial([0.9], 0.9, lr=0.1)
    builder.trial([0.9], lr=0.1, seed=1, state="failed")
    builder.trial([0.5], 0.5, lr=0.2)
    builder.trial([0.5], 0.5, lr=0.2, seed=1)
    best = selection.best_settings(load(builder.write()), ["model"])
    assert best["lr"].tolist() == [0.2]
    row = selection.settings(load(builder.write())).iloc[0]
    assert (row["n"], row["planned"], row["failed"], row["unfinished"]) == (1, 2, 1, 1)


def test_a_curve_ends_where_a_run_of_it_ended(builder: Any) -> None:
    builder.trial([0.1, 0.2, 0.9])
    builder.trial([0.3, 0.4], state="diverged", seed=1)
    curves = selection.curves(load(builder.write()), "val/mean_iou", 24)
    assert curves[["epoch", "mean", "n"]].values.tolist() == [[1, 0.2, 2], [2, pytest.approx(0.3), 2]]
