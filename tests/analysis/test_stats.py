from typing import Any

import pandas as pd
import pytest

from analysis import stats
from analysis.load import load_study
from segtrain import records


def test_the_best_setting_is_chosen_by_validation_and_not_by_test(builder: Any) -> None:
    builder.trial([0.6], 0.9, lr=0.1)
    builder.trial([0.7], 0.5, lr=0.2)
    best = stats.best_settings(load_study(builder.write()), ["arch", "freeze"])
    assert best["lr"].tolist() == [0.2]
    assert best["test/mean_iou"].tolist() == [0.5]
    assert best["score"].tolist() == [0.7]


def test_seeds_are_averaged_before_the_choice(builder: Any) -> None:
    # One lucky seed: 0.9 is the best single trial, but its setting's mean is 0.7.
    for seed, (first, second) in enumerate([(0.5, 0.75), (0.9, 0.75)]):
        builder.trial([first], lr=0.1, seed=seed)
        builder.trial([second], lr=0.2, seed=seed)
    best = stats.best_settings(load_study(builder.write()), ["arch"])
    assert best["lr"].tolist() == [0.2]
    assert best["score"].tolist() == [0.75]


def test_mean_and_sample_standard_deviation_over_seeds(builder: Any) -> None:
    for seed, test in enumerate([0.5, 0.6, 0.7]):
        builder.trial(test=test, seed=seed)
    builder.trial([0.4], state="running", seed=3)
    row = stats.settings(load_study(builder.write())).iloc[0]
    assert (row["n"], row["planned"], row["seeds"]) == (3, 4, "0, 1, 2")
    assert row["test/mean_iou"] == pytest.approx(0.6)
    assert row["test/mean_iou_std"] == pytest.approx(0.1)
    assert row["pixel_accuracy_std"] == 0


def test_one_seed_has_no_standard_deviation(builder: Any) -> None:
    builder.trial()
    row = stats.settings(load_study(builder.write())).iloc[0]
    assert row["n"] == 1
    assert pd.isna(row["test/mean_iou_std"])


def test_a_loss_is_minimised(builder: Any) -> None:
    # val/loss is 2 / epoch at the kept epoch: 2.0 and 1.0.
    builder.trial([0.9], lr=0.1)
    builder.trial([0.1, 0.2], lr=0.2)
    study = load_study(builder.write(metric="val/loss", mode="min"))
    assert stats.best_settings(study, ["arch"])["lr"].tolist() == [0.2]
    assert stats.best_models(study)["best_epoch"].tolist() == [2]


def test_only_finished_trials_of_the_compared_stage_count(builder: Any) -> None:
    builder.trial([0.9], 0.9, lr=0.1, stage="pretrain")
    builder.trial([0.8], lr=0.2, state="running")
    builder.trial([0.8], lr=0.3, state="diverged")
    builder.trial([0.7], None, lr=0.4)
    builder.trial([0.3], 0.3, lr=0.5)
    assert stats.settings(load_study(builder.write()))["lr"].tolist() == [0.5]


def test_a_trial_that_was_tested_and_is_not_finished_does_not_count(builder: Any) -> None:
    folder = builder.trial([0.9], 0.9)
    records.write_status(folder, records.Status(state="running", epoch=1, epochs=1, runtime_s=1.0))
    study = load_study(builder.write())
    assert study.trials["test/mean_iou"].tolist() == [0.9]
    assert stats.settings(study).empty


def test_the_earlier_setting_wins_a_tie(builder: Any) -> None:
    for lr in (0.3, 0.1, 0.2):
        builder.trial([0.5], lr=lr)
    assert stats.best_settings(load_study(builder.write()), ["arch"])["lr"].tolist() == [0.3]


def test_a_cell_says_how_many_settings_it_was_chosen_from(builder: Any) -> None:
    builder.trial(lr=0.1)
    builder.trial(lr=0.2)
    builder.trial(lr=0.2, seed=1)
    builder.trial(lr=0.3, state="failed")
    cells = stats.best_cells(load_study(builder.write()))
    assert cells[["settings_done", "settings_known"]].values.tolist() == [[2, 3]]


def test_best_models_are_ranked_by_validation_with_the_best_seed_of_each(builder: Any) -> None:
    builder.trial([0.5], 0.9, arch="fcn8s")
    builder.trial([0.6], 0.1, arch="fcn16s")
    best = builder.trial([0.1, 0.8], 0.2, arch="fcn16s", seed=1)
    models = stats.best_models(load_study(builder.write()))
    assert models["arch"].tolist() == ["fcn16s", "fcn8s"]
    assert models["folder"].tolist()[0] == f"trials/{best.name}"
    assert models["best_epoch"].tolist() == [2, 1]
    assert models["score"].tolist() == pytest.approx([0.7, 0.5])


def test_curves_have_the_mean_and_the_range_of_the_seeds_that_got_there(builder: Any) -> None:
    builder.trial([0.1, 0.4], seed=0)
    builder.trial([0.3, 0.8, 0.9], seed=1)
    builder.trial([0.8], seed=2)
    builder.trial([0.9], stage="pretrain", lr=0.5)
    curves = stats.curves(load_study(builder.write()), "val/mean_iou")
    assert curves["epoch"].tolist() == [1, 2, 3]
    assert curves["mean"].tolist() == pytest.approx([0.4, 0.6, 0.9])
    assert curves["low"].tolist() == [0.1, 0.4, 0.9]
    assert curves["high"].tolist() == [0.8, 0.8, 0.9]
    assert curves["n"].tolist() == [3, 2, 1]
    assert not curves["diverged"].any()


def test_curves_keep_trials_that_did_not_finish_and_mark_the_diverged(builder: Any) -> None:
    builder.trial([0.1, 0.2], state="diverged", lr=0.1)
    builder.trial([0.3], state="running", lr=0.2)
    curves = stats.curves(load_study(builder.write()), "val/mean_iou")
    assert curves[["lr", "epoch", "diverged"]].values.tolist() == [[0.1, 1, True], [0.1, 2, True], [0.2, 1, False]]


def test_curves_leave_out_epochs_at_which_nothing_was_measured(builder: Any) -> None:
    builder.trial([0.1, float("nan"), 0.3])
    study = load_study(builder.write())
    assert stats.curves(study, "val/mean_iou")["epoch"].tolist() == [1, 3]
    assert stats.curves(study, "train/loss")["epoch"].tolist() == [1, 2, 3]
    assert stats.curves(study, "test/mean_iou").empty


def test_class_scores_are_those_of_the_best_models_and_missing_stays_missing(builder: Any) -> None:
    builder.trial([0.9], iou=[0.2, None], lr=0.1, seed=0)
    builder.trial([0.9], iou=[0.4, None], lr=0.1, seed=1)
    builder.trial([0.1], iou=[1.0, 1.0], lr=0.2)
    scores = stats.class_scores(load_study(builder.write()))
    assert scores["class_name"].tolist() == ["road", "sky"]
    assert scores["mean"].tolist()[0] == pytest.approx(0.3)
    assert pd.isna(scores["mean"][1])
    assert scores["n"].tolist() == [2, 0]
    assert scores[["low", "high"]].values.tolist()[0] == [0.2, 0.4]


def test_the_order_is_that_of_the_axis_and_then_of_appearance(builder: Any) -> None:
    builder.trial(arch="fcn8s")
    builder.trial(arch="fcn16s", freeze="encoder")
    study = load_study(builder.write(axes={"arch": ["fcn32s", "fcn16s"], "freeze": ["encoder"]}))
    assert stats.order(study, "arch") == ["fcn32s", "fcn16s", "fcn8s"]
    assert stats.order(study, "freeze") == ["freeze", "unfreeze"]


def test_a_study_without_results_has_empty_statistics(builder: Any) -> None:
    builder.enter(builder.config())
    study = load_study(builder.write())
    assert stats.settings(study).empty
    assert stats.best_cells(study).empty
    assert stats.best_models(study).empty
    assert stats.class_scores(study).empty
    assert stats.curves(study, "val/mean_iou").empty
