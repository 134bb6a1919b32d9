"""MLflow: a run for each trial in the experiment of its study, on the server of MLFLOW_TRACKING_URI, else in
`<out>/mlflow.db`."""

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from segtrain import records
from sweeps.engine.run.tracking.tracked_run import PANELS, Line, TrackedRun, numbers_of

if TYPE_CHECKING:
    from PIL.Image import Image

DATABASE, ARTIFACTS = "mlflow.db", "mlflow-artifacts"
TRIAL_TAG = "trial_id"
TRAINING = {"mlflow.experimentKind": "custom_model_development"}
"""Otherwise MLflow's pages take an experiment for one of language models."""
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # nothing is told to anybody
    # Of a server that is gone: by default it is tried for minutes, in which nothing is trained.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
"""Where nothing else is said."""
MOST_AT_ONCE = 1000
"""Metrics of one request, which MLflow limits."""


class MlflowTracker:
    """A trial that goes on finds its run by its id, which is a tag, and logs what the run lacks. A trial that began
    again gets a new run, and the one before goes to MLflow's deleted ones."""

    def __init__(self, run: TrackedRun) -> None:
        self.run = run
        self.client: Any = None
        self.run_id: str | None = None
        self.epoch = 0

    def start(self, lines: Sequence[Line]) -> None:
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from mlflow.tracking import MlflowClient

        own = None if "MLFLOW_TRACKING_URI" in os.environ else f"sqlite:///{self.run.out / DATABASE}"
        self.client = MlflowClient(own)
        experiment = self._experiment(None if own is None else (self.run.out / ARTIFACTS).as_uri())
        found = self.client.search_runs([experiment], f"tags.{TRIAL_TAG} = '{self.run.config.trial_id}'")
        self.run_id, logged = None, 0
        if found:
            self.run_id = found[0].info.run_id
            history = self.client.get_metric_history(self.run_id, records.LR)
            logged = max((metric.step for metric in history), default=0)
            if logged > lines[-1][records.EPOCH]:
                self.client.delete_run(self.run_id)
                self.run_id, logged = None, 0
        if self.run_id is None:
            self.run_id = self._create(experiment)
        self.client.set_terminated(self.run_id, "RUNNING")
        self._log(metric for line in lines if line[records.EPOCH] > logged for metric in self._metrics_of(line))

    def _experiment(self, artifacts: str | None) -> str:
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(self.run.study)
        if found is None:
            try:
                return str(self.client.create_experiment(self.run.study, artifacts, dict(TRAINING)))
            except MlflowException:  # another worker was faster, or there is something wrong that shows now
                found = self.client.get_experiment_by_name(self.run.study)
                if found is None:
                    raise
        return str(found.experiment_id)

    def _create(self, experiment: str) -> str:
        from mlflow.entities import Param

        config = self.run.config
        created = self.client.create_run(experiment, run_name=self.run.name, tags={TRIAL_TAG: config.trial_id})
        params = [Param(name, str(value)) for name, value in config.to_dict().items()]
        self.client.log_batch(created.info.run_id, params=params)
        return str(created.info.run_id)

    def log(self, line: Line) -> None:
        self._log(self._metrics_of(line))

    def finish(self, scores: Mapping[str, float], panels: Mapping[str, "Image"]) -> None:
        self._log(self._metrics(scores))
        for name, image in panels.items():
            self.client.log_image(self.run_id, image, f"{PANELS}/{name}.png")

    def stop(self) -> None:
        if self.run_id is not None:
            status = records.read_status(self.run.folder)
            ends = {"finished": "FINISHED", "failed": "FAILED", "diverged": "FAILED"}
            self.client.set_terminated(self.run_id, ends.get(status.state if status else "", "KILLED"))
            self.run_id = None

    def _metrics_of(self, line: Line) -> Iterator[Any]:
        self.epoch = line[records.EPOCH]
        return self._metrics(numbers_of(line))

    def _metrics(self, numbers: Mapping[str, float]) -> Iterator[Any]:
        from mlflow.entities import Metric

        for name, value in numbers.items():
            yield Metric(re.sub(r"[^\w.\- :/]", "_", name), value, int(time.time() * 1000), self.epoch)

    def _log(self, metrics: Iterator[Any]) -> None:
        while batch := list(islice(metrics, MOST_AT_ONCE)):
            self.client.log_batch(self.run_id, metrics=batch)
