from typing import Any

import pytest

from analysis.read.dynamics import COLUMNS, describe


def lines(*curve: float | None, step: int = 1) -> list[dict[str, Any]]:
    return [
        {"epoch": step * number, "train/loss": 1 / number, "val/loss": 2 / number, "val/mean_iou": value}
        for number, value in enumerate(curve, start=1)
    ]


def test_a_curve_worked_by_hand() -> None:
    found = describe(lines(0.10, 0.30, 0.55, 0.45, 0.60, 0.58, step=2), 12, finished=True)
    assert list(found) == list(COLUMNS)
    assert found == {
        "epochs_to_90": 6,  # 0.9 * 0.60 = 0.54
        "early_val_mean_iou": 0.30,  # a quarter of 12 is 3, the next validation is at 4
        "val_unsteadiness": pytest.approx((0.10 + 0.02) / 5),
        "loss_gap": pytest.approx(2 / 6 - 1 / 6),
        "late_fall": pytest.approx(0.02),
    }


def test_a_rising_curve_is_steady() -> None:
    found = describe(lines(0.1, 0.2, 0.7), 3, finished=True)
    assert (found["val_unsteadiness"], found["late_fall"]) == (0, 0)


def test_epochs_without_a_validation_are_passed_over() -> None:
    found = describe(lines(None, 0.4, None, 0.5), 4, finished=True)
    assert (found["epochs_to_90"], found["early_val_mean_iou"]) == (4, 0.4)
    assert found["val_unsteadiness"] == 0


@pytest.mark.parametrize("curve", [(), (None, None)])
def test_without_a_validation_all_is_missing(curve: tuple[None, ...]) -> None:
    assert describe(lines(*curve), 4, finished=True) == dict.fromkeys(COLUMNS)


def test_a_running_trial_has_its_early_score_only() -> None:
    found = describe(lines(0.1, 0.2), 8, finished=False)
    assert {name: value for name, value in found.items() if value is not None} == {"early_val_mean_iou": 0.2}


def test_one_validation_has_no_unsteadiness() -> None:
    assert describe(lines(0.3), 1, finished=True)["val_unsteadiness"] is None
