"""When a running sweep calls for somebody, and when it does not."""

from types import SimpleNamespace
from typing import Any

import pytest

from segtrain import records
from segtrain.machine.disk import NO_SPACE_LEFT
from sweeps.engine.run.progress import calls_for_help
from sweeps.engine.run.progress.calls_for_help import CallsForHelp


def failed(reason: str, state: records.State = "failed") -> records.Status:
    return records.Status(state=state, epoch=1, epochs=3, runtime_s=1.0, reason=reason)


@pytest.mark.parametrize(
    ("status", "why_again", "told"),
    [
        (failed("the loss is a string"), None, [("failed trial", "a: the loss is a string")]),
        (failed(f"{NO_SPACE_LEFT} in /out"), None, [("full disk", f"a: {NO_SPACE_LEFT} in /out")]),
        (failed("killed"), "it ran out of memory; runs again when no other trial does", []),
        (failed("the loss is NaN", "diverged"), None, []),
        (None, None, []),
    ],
    ids=["failed", "full disk", "tried again", "a result", "unknown"],
)
def test_a_trial_that_has_failed_for_good(
    status: records.Status | None, why_again: str | None, told: list[tuple[str, str]]
) -> None:
    found: list[tuple[str, str]] = []
    calls = CallsForHelp(
        lambda need, message: found.append((need, message)), lambda _: status, lambda _: why_again, lambda: 1
    )
    trial: Any = SimpleNamespace(config={"trial_id": "a"})
    calls.on_trial_complete(1, [], trial)
    calls.on_trial_error(1, [], trial)
    assert found == 2 * told


def test_a_cluster_without_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls_for_help, "LOOK_EVERY_S", 0.0)
    found: list[str] = []
    room = [1, 0]
    calls = CallsForHelp(lambda need, _: found.append(need), lambda _: None, lambda _: None, lambda: room.pop(0))
    calls.on_step_end(1, [])
    assert found == []
    calls.on_step_end(2, [])
    assert found == ["no machine"]
