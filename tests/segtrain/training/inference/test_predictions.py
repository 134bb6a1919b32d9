"""Scores at the resolution of the files: what a trial keeps is what its model says of the files themselves."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchmetrics
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode

import segtrain
from segtrain import records
from segtrain.config import TrialConfig
from segtrain.data.roads import CLASSES, ROADS
from segtrain.training.inference.predictions import predict
from segtrain.training.inputs.batches import Inputs
from segtrain.training.run import start_or_resume
from segtrain.training.trial import train
from tests.segtrain.conftest import road_scene, write_road_pair

PROTOCOLS: dict[str, dict[str, Any]] = {
    "restored": {"resolution": "restored"},
    "restored frozen": {"resolution": "restored", "freeze": "encoder", "epochs": 3},
    "windows": {"resolution": "own", "random_scale": 1.5},
    "everything": {"resolution": "own", "eval_mode": "whole", "eval_flip": True, "eval_scales": "0.75:1"},
}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with 20 images of four sizes; the smallest is smaller than the crops along one side."""
    root, rng = tmp_path_factory.mktemp("mixed"), np.random.default_rng(0)
    for frame in range(20):
        size = [(40, 64), (33, 90), (50, 50), (28, 70)][frame % 4]
        write_road_pair(root / "dataA/dataA", f"{frame:03d}.png", *road_scene(rng, *size))
    return root


@pytest.mark.parametrize("name", PROTOCOLS)
def test_what_is_kept_is_what_the_model_says_of_the_files(
    name: str, tiny: Callable[..., TrialConfig], mixed: Path, tmp_path: Path, outcome: Callable[[Path], dict[str, Any]]
) -> None:
    config = tiny(**{"epochs": 2, **PROTOCOLS[name]})
    list(train(config, tmp_path / "whole", mixed, threads=1))
    model, count = segtrain.load(tmp_path / "whole"), len(CLASSES)
    metric = torchmetrics.JaccardIndex("multiclass", num_classes=count, average="none")
    expected = np.zeros((count, count), dtype=np.int64)
    pairs = ROADS.list_pairs(mixed)["test"]
    for pair in pairs:
        truth = np.asarray(Image.open(pair.mask))[..., 0].astype(int)
        prediction = model.predict(pair.image).astype(int)
        for right, said in zip(truth.ravel().tolist(), prediction.ravel().tolist(), strict=True):
            expected[right, said] += 1
        metric.update(torch.from_numpy(prediction), torch.from_numpy(truth))
    assert np.array_equal(np.load(tmp_path / "whole/confusion.npy"), expected)
    kept = records.read_json(tmp_path / "whole/test.json")
    seen = expected.sum(0) + expected.sum(1) > 0
    assert np.array(kept["iou"])[seen].astype(float) == pytest.approx(metric.compute().numpy()[seen], abs=1e-6)
    kinds = [Image.open(tmp_path / "whole/panels" / records.panel_file(0, kind)).size for kind in records.PANEL_KINDS]
    assert kinds == [Image.open(pairs[0].image).size] * 3

    first = train(config, tmp_path / "killed", mixed, threads=1)
    next(first)
    first.close()  # type: ignore[attr-defined]
    list(train(config, tmp_path / "killed", mixed, threads=1))
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "whole")


class WeightCasts(TorchDispatchMode):
    """How often each shape of weights of a convolution is cast to bfloat16."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[tuple[int, ...]] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        is_weight = func is torch.ops.aten._to_copy.default and isinstance(args[0], torch.nn.Parameter)
        if is_weight and kwargs.get("dtype") == torch.bfloat16:
            self.counts[tuple(args[0].shape)] += 1
        return func(*args, **kwargs)


def test_weights_are_cast_once_for_all_batches(
    tiny: Callable[..., TrialConfig], roads_root: Path, folder: Path
) -> None:
    run = start_or_resume(tiny(precision="bfloat16"), folder, roads_root, threads=1)
    batches = -(-len(run.data.splits["train"]) // 2)
    assert batches == 7
    inputs = Inputs(run.data.splits["train"], run.hardware)
    with WeightCasts() as casts:
        logits = [logits for logits, _ in predict(run.model, inputs, 2, run.hardware)]
    parameters = Counter(tuple(parameter.shape) for parameter in run.model.parameters() if parameter.dim() == 4)
    cast = {shape: count for shape, count in casts.counts.items() if len(shape) == 4}
    assert cast
    assert all(count <= parameters[shape] for shape, count in cast.items()), cast
    one_by_one = [logits for start in range(0, 14, 2) for logits, _ in predict(
        run.model, inputs, 2, run.hardware, np.arange(start, start + 2)
    )]  # fmt: skip
    assert all(ours.equal(theirs) for ours, theirs in zip(logits, one_by_one, strict=True))
    assert not torch.is_autocast_enabled("cpu")
