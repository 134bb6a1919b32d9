"""What a worker is given with a trial."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from segtrain import own_code, records
from segtrain.data.by_name import known_places
from sweeps.engine.ask.options import Options
from sweeps.engine.ask.study import Trial
from sweeps.engine.plan.resources import Nodes, TrialResources
from sweeps.engine.run.tracking.trial_trackers import tracking_of


def worker_configs(
    study: str,
    options: Options,
    resources: TrialResources,
    nodes: Callable[[], Nodes],
    begins_in: Callable[[Trial], str | None],
) -> Callable[[Trial], dict[str, Any]]:
    """trial -> its `config` of TrialTrainable. `begins_in` is the folder of the trial that it goes on from."""
    code = records.study_dir(options.out, study) / records.CODE_DIR
    of_every_trial = {
        "study": study,
        "out": str(options.out),
        "data_root": str(options.data_root),
        "import_path": [*own_code.import_path(), str(code)],
        "directory": os.getcwd(),
        "data_places": known_places(),
        "tracking": tracking_of(options),
        "extendable": options.extendable,
    }

    def worker_config(trial: Trial) -> dict[str, Any]:
        share = resources
        if trial.trial_id in options.all_cores:
            share = replace(resources, cpus=nodes()[0]["CPU"])
        return {
            **of_every_trial,
            "trial": trial.config.to_dict(),
            "trial_id": trial.trial_id,
            "run_name": trial.run_name,
            "cpus": share.cpus,
            "gpus": share.gpus,
            "bundle": share.bundle,
            "shorter": begins_in(trial),
        }

    return worker_config
