"""TensorBoard's own reader on what the tracker writes."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from sweeps.engine.run.tracking.tensorboard_tracker import FOLDER
from sweeps.engine.run.tracking.tracked_run import TrackedRun
from tests.faults.conftest import small_disk
from tests.sweeps.engine.run.tracking.runs import CONFIG, LINES, NAME, track, tracked, write_results

__all__ = ["small_disk"]


def read(run: TrackedRun) -> EventAccumulator:
    """All that TensorBoard shows of the trial."""
    folder = run.out / FOLDER / "fcn_grid" / f"{NAME}-{CONFIG.trial_id[-8:]}"
    return EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0}).Reload()


def curve(events: EventAccumulator, name: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_curves_scores_recipe_and_panels(tmp_path: Path) -> None:
    run = tracked(tmp_path)
    trackers = track(run, "tensorboard")
    assert curve(read(run), "train/loss")[:2] == [(1, 1.0), (2, 0.5)], "while it runs"
    write_results(run)
    trackers.finish()
    events = read(run)
    assert curve(events, "val/mean_iou") == [(epoch, pytest.approx(epoch / 10)) for epoch in (1, 2, 3)]
    assert curve(events, "test/mean_iou") == [(3, 0.25)]
    assert curve(events, "test/iou/road") == [(3, 0.25)]
    assert "val/iou/1" not in events.Tags()["scalars"], "an absent class has no IoU"
    (image,) = events.Images("panels/00")
    panel = Image.open(io.BytesIO(image.encoded_image_string))
    assert [panel.getpixel((x, 1)) for x in (1, 5, 9)] == [(255, 0, 0), (0, 128, 0), (0, 0, 255)]
    recipe = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    values = HParamsPluginData.FromString(recipe).session_start_info.hparams
    assert (values["arch"].string_value, values["lr"].number_value) == ("fcn8s", 0.001)
    assert trackers.problems == {}


def test_a_resumed_trial_has_each_epoch_once(tmp_path: Path) -> None:
    run = tracked(tmp_path)
    track(run, "tensorboard", lines=LINES[:2])  # its worker was killed: neither finished nor stopped
    track(run, "tensorboard", lines=LINES[2:]).finish()
    assert [step for step, _ in curve(read(run), "train/loss")] == [1, 2, 3]
    assert len(list((tmp_path / FOLDER).glob("*/*"))) == 1


@pytest.mark.filterwarnings("ignore:Exception in thread")  # TensorBoard's writer raises there as well
def test_a_full_disk_is_a_problem_to_report_and_nothing_more(small_disk: Callable[[int], Path], tmp_path: Path) -> None:
    (tmp_path / FOLDER).symlink_to(small_disk(4))
    run = tracked(tmp_path)
    (tmp_path / FOLDER / "filler").write_bytes(bytes(4096))
    trackers = track(run, "tensorboard")
    trackers.finish()
    assert "No space left on device" in trackers.problems["tensorboard"]
