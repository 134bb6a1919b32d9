import pytest

from analysis.draw.ticks import log_ticks, minus, tick_label


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.4, 6.0, [0.5, 1, 2, 5]),
        (0.5, 1.0, [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
        (0.55, 1.7, [0.75, 1, 1.25, 1.5]),
        (0.82, 0.96, [0.85, 0.9, 0.95]),
        (1e-5, 1.0, [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1]),
    ],
)
def test_a_log_axis_has_ticks_however_little_it_spans(low: float, high: float, ticks: list[float]) -> None:
    assert log_ticks(low, high) == pytest.approx(ticks)


def test_labels_are_plain_numbers() -> None:
    assert [tick_label(value) for value in (0.0003, 3e-5, 0.5, 200.0)] == ["0.0003", "3e-5", "0.5", "200"]


def test_a_hyphen_is_a_minus_before_a_number_alone() -> None:
    assert minus("-3.1 [-4, +2], lr 1e-05") == "−3.1 [−4, +2], lr 1e-05"
    assert minus("FCN-8s, 2025-01-31, a - b") == "FCN-8s, 2025-01-31, a - b"
