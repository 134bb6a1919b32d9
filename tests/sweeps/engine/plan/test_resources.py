"""How many trials fit on machines, and what is said when too much is asked for."""

import re

import pytest

from sweeps.engine.plan.resources import GIB, ResourceError, TrialResources, pick_resources

LAPTOP = [{"CPU": 2.0}]
SERVER = [{"CPU": 64.0, "GPU": 8.0}]
MIXED = [
    {"CPU": 32.0, "GPU": 4.0, "memory": 72.0 * GIB, "accelerator_type:A100": 1.0},
    {"CPU": 32.0, "GPU": 2.0, "memory": 64.0 * GIB, "accelerator_type:V100": 1.0},
]


@pytest.mark.parametrize(
    ("resources", "nodes", "slots"),
    [
        (TrialResources(1, 0, 0), LAPTOP, 2),
        (TrialResources(2, 0, 0), [{"CPU": 3.0}, {"CPU": 3.0}], 2),  # a trial never straddles machines
        (TrialResources(1, 1, 8), SERVER, 8),
        (TrialResources(1, 1, 3), SERVER, 3),
        (TrialResources(1, 0.5, 8), SERVER, 16),
        (TrialResources(1, 0.4, 2), SERVER, 4),  # two to a GPU, the rest of each is lost
        (TrialResources(16, 1, 8), SERVER, 4),  # the CPUs are short
        (TrialResources(1, 1, 8), LAPTOP, 0),
        (TrialResources(1, 1, 3), SERVER + SERVER, 3),
        (TrialResources(1, 1, None), SERVER + SERVER, 16),
        (TrialResources(1, 0, 0, memory=24 * GIB), MIXED, 5),  # 32 CPUs, and 64 GiB against 3 times 24
        (TrialResources(1, 1, None), MIXED, 6),
        (TrialResources(1, 1, None, gpu_type="A100"), MIXED, 4),
        (TrialResources(1, 1, None, memory=48 * GIB, gpu_type="V100"), MIXED, 1),
    ],
)
def test_slots(resources: TrialResources, nodes: list[dict[str, float]], slots: int) -> None:
    assert resources.slots(nodes) == slots


def test_what_is_not_given_is_filled_in() -> None:
    assert pick_resources(LAPTOP, None, None, 1) == TrialResources(1, 0.0, None)
    assert pick_resources(SERVER, None, None, 2) == TrialResources(2, 1.0, None)
    assert pick_resources(SERVER, 4, 0.5, 1) == TrialResources(1, 0.5, 4)
    assert pick_resources(SERVER, 0, None, 1) == TrialResources(1, 0.0, 0)
    chosen = pick_resources(MIXED, None, None, 1, 0.5, "V100")
    assert chosen == TrialResources(1, 1.0, None, GIB // 2, "V100")
    assert chosen.bundle == {"CPU": 1, "GPU": 1.0, "memory": GIB // 2, "accelerator_type:V100": 0.001}


def test_gpus_of_nodes_that_come_later_count_unless_a_number_was_asked_for() -> None:
    assert pick_resources(SERVER, None, None, 1).slots(SERVER + SERVER) == 16
    assert pick_resources(SERVER, 8, None, 1).slots(SERVER + SERVER) == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (LAPTOP, 1, None, 1),
            "--num-gpus is 1 but 0 GPUs were found; type the command without --num-gpus to train on",
        ),
        ((SERVER, 9, None, 1), "--num-gpus is 9 but 8 GPUs were found; type --num-gpus 8"),
        ((SERVER, -1, None, 1), "--num-gpus is -1; allowed: an integer from 0 to 8"),
        ((LAPTOP, None, 0.5, 1), "--gpus-per-trial is 0.5 but there is no GPU to share; leave it out"),
        ((SERVER, None, 2.0, 1), "--gpus-per-trial is 2; allowed: at most 1, a trial trains on one GPU"),
        ((SERVER, None, -1.0, 1), "--gpus-per-trial is -1; allowed: a number > 0"),
        ((LAPTOP, None, None, 0), "--cpus-per-trial is 0; allowed: a number > 0"),
        ((LAPTOP, None, None, 1, 0.0), "--memory-per-trial is 0; allowed: a number > 0, in GiB"),
        (
            (MIXED, None, None, 1, 100.0),
            "a trial takes 1 CPUs, 1 GPUs and 100 GiB, and no machine has that (found: 32 CPUs, 4 GPUs and 72 GiB; 32 "
            "CPUs, 2 GPUs and 64 GiB); lower --cpus-per-trial or --gpus-per-trial or --memory-per-trial",
        ),
        (
            (MIXED, None, None, 1, None, "H100"),
            "--gpu-type is 'H100'; allowed: what Ray calls the GPUs of the cluster at --address: A100, V100",
        ),
        ((LAPTOP, None, None, 1, None, "H100"), "cluster at --address: it names none here"),
        ((MIXED, 0, None, 1, None, "V100"), "--gpu-type is 'V100' but there is no GPU to train on; leave it out"),
        (
            (LAPTOP, None, None, 3),
            "a trial takes 3 CPUs and 0 GPUs, and no machine has that (found: 2 CPUs and 0 GPUs)",
        ),
    ],
)
def test_too_much_asked_for(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(ResourceError, match=re.escape(message)):
        pick_resources(*arguments)  # type: ignore[arg-type]
