"""A sweep on a Ray cluster: real raylets on this machine, logical CPUs and GPUs."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from filelock import FileLock
from ray.cluster_utils import Cluster

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.training.trial import train
from tests.faults.conftest import small_disk
from tests.segtrain.mirror.conftest import S3Server, running_s3, s3
from tests.sweeps.harness import TINY, Sweep, is_worker

__all__ = ["running_s3", "s3", "small_disk"]

CACHE = "SEGTRAIN_CACHE"


def read_config(folder: Path) -> TrialConfig:
    return TrialConfig.from_dict(records.read_json(folder / records.CONFIG_FILE))


def fill_disk(folder: Path, small_disk: Callable[[int], Path]) -> None:
    """Puts a folder in a full disk; where none can be mounted, a file in its place."""
    try:
        disk = small_disk(4)
    except pytest.skip.Exception:
        folder.touch()
        return
    (disk / "filler").write_bytes(bytes(4096))
    folder.symlink_to(disk)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster(shutdown_at_exit=False)
    yield cluster
    cluster.shutdown()


def test_a_lost_node_a_store_that_is_gone_and_a_full_disk_of_a_tracker_disturb_no_score(
    start: Callable[..., Sweep],
    call: Callable[..., tuple[int, str]],
    cluster: Cluster,
    s3: S3Server,
    small_disk: Callable[[int], Path],
    data_root: Path,
    tmp_path: Path,
) -> None:
    caches = [tmp_path / "cache0", tmp_path / "shared", tmp_path / "shared"]
    nodes = [cluster.add_node(num_cpus=1, env_vars={CACHE: str(cache)}) for cache in caches]
    cluster.wait_for_nodes()
    raylets = [psutil.Process(node.all_processes["raylet"][0].process.pid) for node in nodes]
    out, mirror = tmp_path / "out", ("--mirror", "s3://lab/runs")
    out.mkdir()
    fill_disk(out / "tensorboard", small_disk)
    grid = (
        *TINY, "--set", "epochs=10", "--set", "init=scratch", "--set", "freeze=none", "--set", "arch=fcn8s,fcn32s",
        "--seeds", "2",
    )  # fmt: skip
    sweep = start(
        *grid, *mirror, "--track", "tensorboard", "--out", str(out), "--address", cluster.address,
        **{CACHE: str(caches[0])}, **s3.variables,
    )  # fmt: skip

    def trains(raylet: psutil.Process) -> bool:
        return any(is_worker(process) for process in raylet.children())

    def epochs_on_disk() -> dict[str, int]:
        return {f.name: len(records.read_metrics(f)) for f in out.glob("trials/*")}

    # One trial on each node, each with an epoch behind it: whichever node is lost was in the middle of one.
    sweep.wait_until(lambda: all(trains(raylet) for raylet in raylets))
    sweep.wait_until(lambda: sum(count > 0 for count in epochs_on_disk().values()) >= 3)
    s3.down()
    cluster.remove_node(nodes[2], allow_graceful=False)
    sweep.wait_until(lambda: "s3://lab/runs cannot be" in sweep.text())
    s3.up()
    assert sweep.wait() == 0, sweep.text()

    assert "its process died; trying again" in sweep.text()
    assert sweep.text().count("tensorboard is off for ") == 1, "and the others are counted"
    assert "tensorboard lacks 4 trials of this sweep" in sweep.text()
    assert all(records.read_status(f).state == "finished" for f in out.glob("trials/*"))  # type: ignore[union-attr]
    assert set(epochs_on_disk().values()) == {10}
    # The moved trial went on: had it begun again, its first epochs would have been reported twice.
    assert set(sweep.epoch_lines().values()) == {1}
    # The dataset was decoded once in each cache, and two nodes share one.
    assert [len(list(cache.glob("scenes-*/"))) for cache in set(caches)] == [1, 1]
    moved = [folder for folder in out.glob("trials/*") if records.read_status(folder).attempts > 1]  # type: ignore[union-attr]
    assert moved
    for folder in moved:
        undisturbed = tmp_path / "undisturbed" / folder.name
        list(train(read_config(folder), undisturbed, data_root, 1, use_gpu=False))
        assert (undisturbed / records.TEST_FILE).read_bytes() == (folder / records.TEST_FILE).read_bytes()

    # Of Ray too, whose logs all may read.
    written = [path for folder in (out, Path(nodes[0].get_session_dir_path())) for path in folder.rglob("*")]
    secret = s3.variables["AWS_SECRET_ACCESS_KEY"].encode()
    assert [path for path in written if path.is_file() and secret in path.read_bytes()] == []

    code, text = call(*grid, *mirror, "--from-mirror", "--out", str(tmp_path / "fresh"))
    assert code == 0, text
    assert "4 of 4 trials came from s3://lab/runs" in text
    for folder in out.glob("trials/*"):
        fetched = tmp_path / "fresh" / "trials" / folder.name
        assert (fetched / records.TEST_FILE).read_bytes() == (folder / records.TEST_FILE).read_bytes()


@pytest.mark.parametrize(
    ("gpus", "flags", "slots"),
    [(3, ("--num-gpus", "3"), 3), (2, ("--gpus-per-trial", "0.5", "--memory-per-trial", "2", "--gpu-type", "A100"), 3)],
    ids=["one each", "two to a GPU of a kind, as far as its memory goes"],
)
def test_as_many_trials_at_once_as_fit_on_logical_gpus(
    start: Callable[..., Sweep], cluster: Cluster, tmp_path: Path, gpus: int, flags: tuple[str, ...], slots: int
) -> None:
    node_cache, own_cache, out = tmp_path / "node", tmp_path / "own", tmp_path / "out"

    def add_node(gpu_type: str, cache: Path) -> None:
        kind = {f"accelerator_type:{gpu_type}": 1}
        cluster.add_node(num_cpus=16, num_gpus=gpus, memory=7 * 2**30, resources=kind, env_vars={CACHE: str(cache)})

    add_node("A100", node_cache)
    if "--gpu-type" in flags:
        add_node("V100", tmp_path / "unused")
    sweep = start(
        *TINY, "--set", "epochs=1", "--set", "init=scratch", "--set", "arch=fcn32s", "--set", "freeze=none",
        "--seeds", str(slots + 1), "--out", str(out), *flags, "--address", cluster.address, **{CACHE: str(own_cache)},
    )  # fmt: skip
    # The trials cannot get past opening their cache while we hold its lock, so all that fit are there together.
    sweep.wait_until(lambda: bool(list(own_cache.glob("scenes-*.lock"))))
    (name,) = {path.name for path in own_cache.glob("scenes-*.lock")}
    node_cache.mkdir()
    with FileLock(node_cache / name):
        sweep.wait_until(lambda: sweep.text().count("running on") >= slots)
        assert sweep.text().count("] fcn32s") == slots, "none ended, and the last one waits"
    assert sweep.wait() == 0, sweep.text()
    assert not (tmp_path / "unused").exists()
    environments = [records.read_json(path) for path in out.glob(f"trials/*/{records.ENV_FILE}")]
    used = Counter(environment["visible_gpus"] for environment in environments)
    assert len(environments) == slots + 1
    assert set(used) == {str(index) for index in range(gpus)}
