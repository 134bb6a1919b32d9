"""MLflow's own client on a local store, and a server that is gone."""

import socket
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import ViewType
from mlflow.tracking import MlflowClient

from segtrain import records
from segtrain.config import TrialConfig
from sweeps.engine.run.tracking.mlflow_tracker import DATABASE
from tests.sweeps.engine.run.tracking.runs import CONFIG, LINES, NAME, begin, track, tracked, write_results


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for all tests, since making its tables takes seconds."""
    return tmp_path_factory.mktemp("out")


def runs(out: Path, config: TrialConfig, kind: int = ViewType.ACTIVE_ONLY) -> tuple[MlflowClient, list[Any]]:
    client = MlflowClient(f"sqlite:///{out / DATABASE}")
    experiment = client.get_experiment_by_name("fcn_grid")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], f"tags.trial_id = '{config.trial_id}'", run_view_type=kind)
    return client, list(found)


def test_curves_scores_recipe_and_panels_of_one_run_though_the_trial_was_resumed(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    trial = tracked(out)
    track(trial, "mlflow", lines=LINES[:2])  # its worker was killed: neither finished nor stopped
    trackers = track(trial, "mlflow", lines=LINES[2:])
    write_results(trial)
    records.write_status(trial.folder, records.Status(state="finished", epoch=3, epochs=3, runtime_s=1.0))
    trackers.finish()
    client, (run,) = runs(out, CONFIG)
    assert trackers.problems == {}
    assert (run.info.run_name, run.info.status) == (NAME, "FINISHED")
    assert (run.data.params["lr"], run.data.params["arch"]) == ("0.001", "fcn8s")
    history = client.get_metric_history(run.info.run_id, "val/mean_iou")
    assert [(metric.step, metric.value) for metric in history] == [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert run.data.metrics["test/mean_iou"] == run.data.metrics["test/iou/road"] == 0.25
    assert [file.path for file in client.list_artifacts(run.info.run_id, "panels")] == ["panels/00.png"]


def test_a_trial_that_began_again_has_a_new_run(out: Path) -> None:
    config = CONFIG.edit(seed=1)
    trial = tracked(out, config)
    track(trial, "mlflow").stop()
    (trial.folder / records.METRICS_FILE).unlink()
    track(trial, "mlflow", lines=LINES[:1]).stop()
    client, (run,) = runs(out, config)
    assert [metric.step for metric in client.get_metric_history(run.info.run_id, "lr")] == [1]
    assert len(runs(out, config, ViewType.ALL)[1]) == 2


def test_a_server_that_is_gone_is_a_problem_to_report_and_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    trackers = track(tracked(tmp_path), "mlflow")
    trackers.finish()
    assert "Max retries exceeded" in trackers.problems["mlflow"]
    begin(tracked(tmp_path), "mlflow").stop()  # says nothing to a server that was never asked for anything
