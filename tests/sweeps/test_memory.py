"""What a trial leaves behind in the memory of its worker."""

from collections.abc import Callable
from pathlib import Path

from segtrain import records
from tests.sweeps.harness import Sweep

TRIALS = 6
WEIGHTS_MIB = 32
"""Of FCN-32s at a quarter of the width; a checkpoint holds four times as much."""


def test_a_worker_does_not_grow_with_its_trials(start: Callable[..., Sweep], tmp_path: Path) -> None:
    settings = (
        "dataset=scenes", "init=scratch", "arch=fcn32s", "freeze=none", "lr=0.001", "epochs=1", "image_height=32",
        "image_width=32", "width_mult=0.25",
    )  # fmt: skip
    given = [part for setting in settings for part in ("--set", setting)]
    # On two cores, all of them in one worker, one after the other.
    sweep = start(
        *given, "--out", str(tmp_path / "out"), "--seeds", str(TRIALS), "--cpus-per-trial", "2", "--wandb", "disabled"
    )
    assert sweep.wait() == 0, sweep.text()
    begun = sorted((tmp_path / "out/trials").glob(f"*/{records.CONFIG_FILE}"), key=lambda path: path.stat().st_mtime_ns)
    peaks = [records.read_metrics(path.parent)[-1][records.PEAK_MEMORY_BYTES] / 2**20 for path in begun]
    assert len(peaks) == TRIALS
    assert peaks[-1] - peaks[1] < WEIGHTS_MIB, peaks
