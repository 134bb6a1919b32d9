"""The scripts of docs/clusters, run by a Slurm that only starts what it is told, and the manifests."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import ray.autoscaler
import yaml
from jsonschema import Draft7Validator

from sweeps import fcn_grid
from sweeps.engine.ask.command_line import build_parser
from tests.sweeps.harness import REPOSITORY

SCRIPTS = REPOSITORY / "docs/clusters"
JOB = "4711"


class Job:
    """A batch script on the nodes of this machine. Commands named in `programs` are these shell scripts."""

    def __init__(self, folder: Path, **programs: str) -> None:
        self.folder = folder
        self.requeued, self.log = folder / "requeued", folder / "log"
        given = {
            "scontrol": f'echo "$@" >> {self.requeued}',
        }
        (folder / "bin").mkdir()
        for name, text in (given | programs).items():
            (folder / "bin" / name).write_text(f"#!/bin/bash\n{text}\n")
            (folder / "bin" / name).chmod(0o755)

    def start(self, script: str, *arguments: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        path = os.pathsep.join([str(self.folder / "bin"), str(Path(sys.executable).parent), environment["PATH"]])
        with open(self.log, "ab") as log:
            return subprocess.Popen(
                ["bash", str(SCRIPTS / script), *arguments],
                cwd=REPOSITORY, env={**environment, "SLURM_JOB_ID": JOB, "PATH": path},
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip


WAITS = "trap 'exit 138' USR1; echo \"$@\" > {told}; while :; do sleep 0.05; done"


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_task_that_is_told_of_its_limit_hands_it_on_and_is_queued_again(
    tmp_path: Path, environment: dict[str, str], number: int
) -> None:
    told = tmp_path / "told"
    job = Job(tmp_path, python=WAITS.format(told=told))
    task = job.start("slurm_array.sh", "sweeps/fcn_grid.py", "--out", "a folder", environment=environment)
    while not told.exists() or not told.read_text():
        assert task.poll() is None
    assert told.read_text() == "sweeps/fcn_grid.py --out a folder\n"
    task.send_signal(number)
    assert task.wait(timeout=60) == 138
    assert job.requeued.read_text() == f"requeue {JOB}\n"


def test_a_task_that_ends_by_itself_is_not_queued_again(tmp_path: Path, environment: dict[str, str]) -> None:
    job = Job(tmp_path, python="exit 3")
    assert job.start("slurm_array.sh", "x.py", environment=environment).wait(timeout=60) == 3
    assert not job.requeued.exists()


def test_ray_up_reads_its_file() -> None:
    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    cluster = yaml.safe_load((SCRIPTS / "ray_up.yaml").read_text())
    assert [error.message for error in Draft7Validator(schema).iter_errors(cluster)] == []


@pytest.mark.parametrize("name", ["slurm_array.sh", "rayjob.yaml", "ray_up.yaml"])
def test_the_commands_in_a_file_of_a_cluster_have_flags_that_there_are(name: str) -> None:
    commands = re.findall(r"sweeps/fcn_grid\.py (.*)", (SCRIPTS / name).read_text())
    assert commands
    known = build_parser(fcn_grid.STUDY)._option_string_actions
    assert {flag for line in commands for flag in re.findall(r"(?<!\w)--[a-z-]+", line)} <= set(known)


def test_the_manifest_asks_for_the_ray_that_is_installed() -> None:
    manifest = yaml.safe_load((SCRIPTS / "rayjob.yaml").read_text())
    assert manifest["spec"]["rayClusterSpec"]["rayVersion"] == ray.__version__
