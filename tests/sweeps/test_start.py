"""What is imported before a mistake is told and before a worker trains: seconds that nobody should wait."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from segtrain.training import operation_counts
from tests.sweeps.harness import REPOSITORY

SLOW = ("torch", "torchvision", "transformers", "ray", "pandas", "scipy", "wandb", "optuna")

COMMANDS = {
    "a value that cannot be": (["--set", "lr=fast"], "lr is 'fast'"),
    "more GPUs than there are": (["--demo", "--num-gpus", "99"], "--num-gpus is 99 but 0 GPUs were found"),
    "data that are not there": (["--dataset", "camvid", "--set", "init=scratch", "--set", "freeze=none"], "camvid"),
}


def run_grid(arguments: list[str], names: tuple[str, ...], **variables: str) -> subprocess.CompletedProcess[str]:
    """The command; at its end it also prints which modules of `names` it has imported."""
    code = (
        "import sys; sys.argv = ['fcn_grid.py', *sys.argv[1:]]\n"
        "from sweeps.fcn_grid import *\n"
        "code = main(STUDY, DEMO)\n"
        f"print('imported', [name for name in {names} if name in sys.modules]); sys.exit(code)"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=REPOSITORY, env={**os.environ, **variables},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="torch is asked for the GPUs that there are")
@pytest.mark.parametrize("what", COMMANDS)
def test_a_mistake_is_told_before_anything_slow_is_imported(what: str, tmp_path: Path) -> None:
    arguments, message = COMMANDS[what]
    given = [*arguments, "--out", str(tmp_path / "out"), "--data-root", str(tmp_path / "data")]
    done = run_grid(given, SLOW)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "imported []" in done.stdout
    assert not (tmp_path / "out" / "studies").exists()


def test_the_process_of_a_sweep_leaves_to_others_what_needs_torch(tmp_path: Path) -> None:
    settings = ("arch=fcn8s", "freeze=none", "epochs=1", "image_height=32", "image_width=32", "width_mult=0.0625")
    given = ["--demo", "--out", str(tmp_path / "out"), "--data-root", str(tmp_path / "data")]
    for setting in settings:
        given += ["--set", setting]
    names = ("ray.tune", "torch", "torchvision", "transformers", "wandb", "mlflow")
    done = run_grid(given, names, SEGTRAIN_CACHE=str(tmp_path / "cache"))  # in which no operations are counted yet
    assert done.returncode == 0, done.stderr
    assert "imported ['ray.tune']" in done.stdout, done.stdout
    assert done.stderr == ""
    assert len(list((tmp_path / "cache").glob(f"{operation_counts.FOLDER}/*.json"))) == 1


def test_a_worker_imports_no_compiler_and_no_library_of_another_model(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from segtrain.config import TrialConfig\n"
        "from segtrain.training.trial import train\n"
        "config = TrialConfig(arch='fcn8s', dataset='scenes', init='scratch', image_height=32, image_width=32, "
        "width_mult=0.0625, epochs=1, seed=int(sys.argv[2]))\n"
        "epochs = train(config, Path(sys.argv[1]) / sys.argv[2], Path(sys.argv[1]), threads=1); next(epochs)\n"
        "names = ('torch._dynamo', 'sympy', 'torchvision', 'transformers', 'wandb')\n"
        "print([name for name in names if name in sys.modules])"
    )
    from segtrain.synthetic import write_scenes

    write_scenes(tmp_path / "scenes", "target", {"dataA": 12}, 32, 32, seed=1)
    # Twice: the operations of a model are counted, with the compiler's help, once per machine.
    for seed in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path), seed],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout.strip() == "[]"
