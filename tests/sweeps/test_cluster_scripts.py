"""The scripts of docs/clusters, run by a Slurm that only starts what it is told, and the manifests."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import ray.autoscaler
import yaml
from jsonschema import Draft7Validator

from segtrain import records
from segtrain.training.trial import train
from sweeps import fcn_grid
from sweeps.engine.ask.command_line import build_parser
from tests.sweeps.harness import REPOSITORY, TINY
from tests.sweeps.test_cluster import read_config

SCRIPTS, SLURM = REPOSITORY / "docs/clusters", REPOSITORY / "tests/sweeps/slurm"
ISOLATED = (
    "unshare", "--user", "--map-root-user", "--mount", "--net", "--uts", "--pid", "--fork", "--kill-child",
    "--mount-proc",
)  # fmt: skip
JOB = "4711"


class Job:
    """A batch script of docs/clusters, started as Slurm would; the commands that are in `programs` are these shell
    scripts. With `nodes` it has two nodes of this machine, as tests/sweeps/slurm/nodes.sh tells."""

    def __init__(self, folder: Path, environment: dict[str, str], **programs: str) -> None:
        self.folder, self.requeued, self.log = folder, folder / "requeued", folder / "log"
        shutil.copytree(SLURM, folder / "bin")
        for name, text in programs.items():
            (folder / "bin" / name).write_text(f"#!/bin/bash\n{text}\n")
            (folder / "bin" / name).chmod(0o755)
        slurm = {"SLURM_JOB_ID": JOB, "SLURM_JOB_NODELIST": "node[0-1]", "SLURM_NNODES": "2"}
        path = os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), environment["PATH"]])
        given = {**slurm, "SLURM_CPUS_PER_TASK": "1", "REQUEUED": str(self.requeued), "PATH": path}
        self.environment = {**environment, **given}

    def start(self, script: str, *arguments: str, nodes: bool = False) -> subprocess.Popen[bytes]:
        apart = [*ISOLATED, "bash", str(SLURM / "nodes.sh"), str(self.folder)] if nodes else ["bash"]
        with open(self.log, "ab") as log:
            return subprocess.Popen(
                [*apart, str(SCRIPTS / script), *arguments],
                cwd=REPOSITORY, env=self.environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def text(self) -> str:
        return self.log.read_text(errors="replace")


WAITS = "trap 'exit 138' USR1; echo \"$@\" > {told}; while :; do sleep 0.05; done"


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_task_that_is_told_of_its_limit_hands_it_on_and_is_queued_again(
    tmp_path: Path, environment: dict[str, str], number: int
) -> None:
    told = tmp_path / "told"
    job = Job(tmp_path / "job", environment, python=WAITS.format(told=told))
    task = job.start("slurm_array.sh", "sweeps/fcn_grid.py", "--out", "a folder")
    while not told.exists() or not told.read_text():
        assert task.poll() is None
    assert told.read_text() == "sweeps/fcn_grid.py --out a folder\n"
    task.send_signal(number)
    assert task.wait(timeout=60) == 138
    assert job.requeued.read_text() == f"requeue {JOB}\n"


def test_a_task_that_ends_by_itself_is_not_queued_again(tmp_path: Path, environment: dict[str, str]) -> None:
    job = Job(tmp_path / "job", environment, python="exit 3")
    assert job.start("slurm_array.sh", "x.py").wait(timeout=60) == 3
    assert not job.requeued.exists()


@pytest.mark.soak
def test_jobs_over_two_nodes_of_which_one_is_lost_end_with_the_undisturbed_scores(
    tmp_path: Path, environment: dict[str, str], data_root: Path
) -> None:
    if subprocess.run([*ISOLATED, "ip", "link", "add", "type", "bridge"], capture_output=True).returncode != 0:
        pytest.skip("this machine gives no network namespaces")
    job, out = Job(tmp_path / "job", environment), tmp_path / "out"
    grid = (
        "sweeps/fcn_grid.py", *TINY, "--set", "epochs=20", "--set", "init=scratch", "--set", "freeze=none",
        "--set", "arch=fcn32s", "--seeds", "2", "--out", str(out), "--data-root", str(data_root),
    )  # fmt: skip

    def epochs() -> dict[str, int]:
        """host of each trial that has begun -> how far it is"""
        folders = [path.parent for path in out.glob(f"trials/*/{records.ENV_FILE}")]
        return {records.read_json(f / records.ENV_FILE)["host"]: len(records.read_metrics(f)) for f in folders}

    def wait_until(condition: Callable[[], bool]) -> None:
        while not condition():
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(timeout=0.05)
            assert running.poll() is None, job.text()

    def named(*words: str) -> psutil.Process:
        """A process of the job by what its command line begins with."""
        family = psutil.Process(running.pid).children(recursive=True)
        return next(process for process in family if process.cmdline()[: len(words)] == list(words))

    running = job.start("slurm_symmetric.sh", *grid, nodes=True)
    try:
        wait_until(lambda: epochs().keys() == {"node0", "node1"} and min(epochs().values()) > 0)
        (lost,) = [path.parent for path in out.glob("trials/*/env.json") if "node1" in path.read_text()]
        named("node1").kill()
        before = len(records.read_metrics(lost))
        wait_until(lambda: len(records.read_metrics(lost)) > before)
        assert "its process died; trying again" in job.text()
        assert records.read_json(lost / records.ENV_FILE)["host"] == "node0"
        named("bash", str(SCRIPTS / "slurm_symmetric.sh")).send_signal(signal.SIGUSR1)
        assert running.wait(timeout=300) == 138, job.text()
        assert job.requeued.read_text() == f"requeue {JOB}\n"

        running = job.start("slurm_nodes.sh", *grid, nodes=True)
        assert running.wait(timeout=300) == 0, job.text()
    finally:
        running.kill()  # and with it all that it has started
    assert "2 of 2 trials finished" in job.text()
    assert records.read_json(lost / records.STATUS_FILE)["attempts"] == 3
    list(train(read_config(lost), tmp_path / lost.name, data_root, 1, use_gpu=False))
    assert (tmp_path / lost.name / records.TEST_FILE).read_bytes() == (lost / records.TEST_FILE).read_bytes()


def test_ray_up_reads_its_file() -> None:
    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    cluster = yaml.safe_load((SCRIPTS / "ray_up.yaml").read_text())
    assert [error.message for error in Draft7Validator(schema).iter_errors(cluster)] == []


@pytest.mark.parametrize(
    "name", ["slurm_nodes.sh", "slurm_symmetric.sh", "slurm_array.sh", "rayjob.yaml", "ray_up.yaml"]
)
def test_the_commands_in_a_file_of_a_cluster_have_flags_that_there_are(name: str) -> None:
    commands = re.findall(r"sweeps/fcn_grid\.py (.*)", (SCRIPTS / name).read_text())
    assert commands
    known = build_parser(fcn_grid.STUDY)._option_string_actions
    assert {flag for line in commands for flag in re.findall(r"(?<!\w)--[a-z-]+", line)} <= set(known)


def test_the_manifest_asks_for_the_ray_that_is_installed() -> None:
    manifest = yaml.safe_load((SCRIPTS / "rayjob.yaml").read_text())
    assert manifest["spec"]["rayClusterSpec"]["rayVersion"] == ray.__version__
