"""`python sweeps/fcn_grid.py` on the command line: plans, mistakes, divergence, and what a run leaves behind."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from segtrain import records
from tests.sweeps.harness import REPOSITORY, TINY, Sweep

Call = Callable[..., tuple[int, str]]
ONE = (*TINY, "--set", "init=scratch", "--set", "arch=fcn32s", "--set", "freeze=none")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--set", "arhc=fcn8s"],
            "error: 'arhc' is not a field of a trial; did you mean arch? allowed: arch, dataset, ",
        ),
        (["--set", "arch=fcn9s"], "error: arch is 'fcn9s'; did you mean fcn8s or "),
        (["--dataset", "camvit"], "error: dataset is 'camvit'; did you mean camvid? allowed: roads, camvid, pets"),
        (
            ["--set", "width_mult=0.5"],
            "error: init is 'imagenet' and width_mult is 0.5; those weights fit width_mult=1",
        ),
        (["--seeds", "0"], "error: --seeds is 0; allowed: an integer from 1 to 10000"),
        (["--seeds", "3", "--replicates", "2"], "error: --seeds and --replicates each say how many seeds there are"),
        (["--replicates", "0"], "error: --replicates is 0; allowed: an integer from 1 to 10000"),
        (["--until-decided", "1"], "error: --until-decided is 1; allowed: an integer from 2 to 200"),
        (
            ["--until-decided", "--set", "seed=0,1"],
            "error: the study's trials have the seeds 0, 1, and --until-decided",
        ),
        (
            ["--extendable", "--set", "schedule=poly"],
            "error: --extendable is given, and schedule is 'poly', whose rates",
        ),
        ([*ONE, "--num-gpus", "99"], "error: --num-gpus is 99 but "),
        ([*ONE, "--cpus-per-trial", "999"], "error: a trial takes 999 CPUs and 0 GPUs, and no machine has that"),
        (
            [*ONE, "--dataset", "roads"],
            "has no image and mask pairs for train, val, test; dataset 'roads' expects data*/",
        ),
        ([*ONE, "--dataset", "camvid"], "camvid is not a folder; dataset 'camvid' expects camvid/{train,val,test}.txt"),
        ([*ONE, "--out", "/proc/out"], "error: --out /proc/out cannot be written to ("),
    ],
)
def test_a_mistake_is_said_in_a_line_and_nothing_starts(
    call: Call, tmp_path: Path, arguments: list[str], message: str
) -> None:
    code, text = call("--out", str(tmp_path / "out"), *arguments)
    assert code == 2
    assert message in text
    assert not (tmp_path / "out" / records.TRIALS_DIR).exists()


def test_a_mistake_on_the_command_line_is_no_traceback(start: Callable[..., Sweep]) -> None:
    sweep = start("--set", "lr=fast")
    assert sweep.wait() == 2
    assert sweep.text() == "error: lr is 'fast'; allowed: a number\n"


def test_imagenet_weights_that_cannot_be_had_name_the_file_and_the_ways_on(call: Call, tmp_path: Path) -> None:
    size = ("--set", "image_height=64", "--set", "image_width=64")
    code, text = call("--dataset", "scenes", *size, "--out", str(tmp_path))
    assert code == 2
    assert "error: init is 'imagenet' but its weights vgg16-397923af.pth are neither in " in text
    assert "--set init=scratch" in text


def test_every_bad_file_is_named_before_any_trial_starts(call: Call, data_root: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    shutil.copytree(data_root, data)
    images = sorted((data / "scenes").glob("dataA/dataA/CameraRGB/*.png"))
    masks = [image.parent.with_name("CameraSeg") / image.name for image in images]
    images[0].write_bytes(images[0].read_bytes()[:200])
    Image.new("RGB", (9, 9)).save(masks[1])
    Image.new("RGB", (64, 64), (200, 0, 0)).save(masks[2])
    code, text = call(*ONE, "--out", str(out), data=data)
    assert code == 2
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    assert len(lines) == 3
    assert f"{images[0]}: cannot be read" in lines[0]
    assert f"{masks[1]}: is 9x9 but its image {images[1]} is 64x64" in lines[1]
    assert f"{masks[2]}: has label 200 in 4096 pixels; dataset 'scenes' has labels 0, 1, 2, 3," in lines[2]
    assert not (out / records.TRIALS_DIR).exists()


def test_the_plan_of_a_new_study_starts_nothing(call: Call, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, before = call(*TINY, "--set", "arch=fcn32s", "--out", str(out), "--plan")
    assert code == 0
    assert before.count("wait for parent") == 2
    assert "Nothing was started." in before
    assert not out.exists()


def test_the_plan_of_seeds_until_decided_says_what_each_look_may_need(call: Call, tmp_path: Path) -> None:
    out = tmp_path / "out"
    one = (*ONE, "--set", "freeze=none,encoder", "--out", str(out), "--plan", "--until-decided", "8")
    one = (*one, "--pretrain", "scenes_source")
    code, text = call(*one, "--set", "lr=1e-3,1e-4")
    assert code == 0
    assert "fcn32s-unfreeze-lr0.0001" in text
    assert "-s1" not in text  # which rate goes on is not known yet
    looks = [line.split()[:8] for line in text.splitlines() if line.startswith("  look at")]
    assert [(line[2], line[6]) for line in looks] == [("3", "11"), ("5", "15"), ("8", "21")]
    # With nothing to tune, the first seeds are known.
    _, text = call(*one)
    assert "fcn32s-unfreeze-lr0.001-s2" in text
    assert not out.exists()


def test_the_plan_of_a_study_whose_data_is_not_there_shows_all_but_its_cost(call: Call, tmp_path: Path) -> None:
    code, text = call("--out", str(tmp_path / "out"), "--plan")
    assert code == 0
    assert text.startswith("recipe: arch=fcn32s|fcn16s|fcn8s, dataset=roads, image_height=192, image_width=256, ")
    assert "freeze=encoder|none, epochs=30, batch_size=16, lr=0.001|0.0003|0.0001|3e-05, lr_gamma=0.98, " in text
    assert text.count(" run ") == 1 + 3 * 2 * 4  # a heading, and the trials
    assert text.count(" ? ") == 3 * 2 * 4
    assert "What it would cost depends on the data, which cannot be read: " in text
    assert "dataset 'roads' expects data*/" in text


def test_a_diverged_trial_is_an_outcome_and_the_sweep_goes_on(
    start: Callable[..., Sweep], call: Call, tmp_path: Path
) -> None:
    command = (*ONE, "--set", "lr=1e-3,1e30", "--out", str(tmp_path))
    assert start(*command).wait() == 0
    states = {}
    for folder in tmp_path.glob("trials/*"):
        status = records.read_status(folder)
        assert status is not None
        states[folder.name.split("-")[3]] = status
    assert states["lr0.001"].state == "finished"
    assert states["lr1e+30"].state == "diverged"
    assert states["lr1e+30"].step is not None
    assert str(states["lr1e+30"].reason).startswith("epoch 1, the training loss is ")
    # With --strict the same state of affairs is an error; and it is a result, so nothing is trained again.
    code, text = call(*command, "--strict")
    assert code == 1
    assert " epoch 1/" not in text
    assert "fcn32s-unfreeze-lr1e+30: diverged, epoch 1, the training loss is " in text
    report = subprocess.run(
        [sys.executable, "-m", "analysis", "report", str(tmp_path / "studies/fcn_grid")],
        cwd=REPOSITORY, capture_output=True, text=True, check=True, env={**os.environ, "MPLCONFIGDIR": str(tmp_path)},
    )  # fmt: skip
    assert "diverged" in report.stdout
    # Where nothing else is left in the grid, every trial failed, and the exit code says so without being asked.
    code, text = call(*ONE, "--set", "lr=1e30", "--out", str(tmp_path))
    assert code == 1
    assert "0 of 1 trials finished" in text


def test_runs_of_trackers_without_the_key_and_the_same_bytes_without_ray(
    start: Callable[..., Sweep], environment: dict[str, str], data_root: Path, tmp_path: Path
) -> None:
    key = "feedface" * 5
    sweep = start(
        *ONE, "--wandb", "offline", "--track", "wandb,tensorboard,mlflow", "--out", str(tmp_path / "out"),
        WANDB_API_KEY=key, MLFLOW_TRACKING_URI="http://127.0.0.1:1",
    )  # fmt: skip
    assert sweep.wait() == 0, sweep.text()
    assert sweep.text().count("mlflow is off for fcn32s-unfreeze-lr0.001: ") == 1, "its server is gone"
    assert len(list(tmp_path.glob("out/tensorboard/fcn_grid/*/events.out.tfevents.*"))) == 1
    (folder,) = tmp_path.glob("out/trials/*")
    assert len(list(folder.glob(f"wandb/offline-run-*/run-{folder.name}.wandb"))) == 1
    for root in (tmp_path, Path(environment["HOME"])):
        assert not [p for p in root.rglob("*") if p.is_file() and key.encode() in p.read_bytes()]

    subprocess.run(
        [sys.executable, "-m", "segtrain", str(folder / records.CONFIG_FILE), "--data-root", str(data_root),
         "--out", str(tmp_path / "alone")],
        cwd=REPOSITORY, env={**environment, "OMP_NUM_THREADS": "1"}, check=True, capture_output=True,
    )  # fmt: skip
    alone = tmp_path / "alone/trials" / folder.name
    for name in (records.TEST_FILE, records.BEST_FILE):
        assert (alone / name).read_bytes() == (folder / name).read_bytes()
