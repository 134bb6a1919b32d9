"""How fast a trial of a study trains here, before one of this command has shown it."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from segtrain import records
from segtrain.config import TrialConfig
from sweeps.engine.plan.actions import PlannedTrial
from sweeps.engine.plan.resources import TrialResources

SHORTEST_S = 1e-6  # an epoch takes longer; a clock that was set back may say less


def predicted_rate(
    config: TrialConfig,
    plan: Sequence[PlannedTrial],
    flops: Mapping[str, float],
    out: Path,
    resources: TrialResources,
) -> tuple[float, str]:
    """Operations a second of one trial, and where the figure is from: epochs of the trials in `flops`, which holds the
    cost of one by trial id, or if there are none, a moment of training as `config` has it."""
    rates = [
        flops[planned.trial.trial_id] / seconds
        for planned in plan
        if planned.trial.trial_id in flops
        for line in records.read_metrics(records.trial_dir(out, planned.trained.trial_id))
        if (seconds := line.get(records.EPOCH_S) or 0.0) >= SHORTEST_S
    ]
    if rates:
        return statistics.median(rates), f"in the {len(rates)} epochs trained so far"
    from segtrain.machine.device import pick_hardware  # torch, which a plan of known rates does without
    from segtrain.training.calibration import measure_rate

    hardware = pick_hardware(config.precision, max(1, int(resources.cpus)), use_gpu=resources.gpus > 0)
    return measure_rate(hardware, config), f"in a moment of training on this machine just now, in {hardware.precision}"
