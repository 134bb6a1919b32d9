"""What one would write first: a function for Ray Tune, and a DataLoader that decodes every file again. Models, data,
recipe and metric are those of `sweeps/fcn_grid.py`, of torch's own layers; float32, as torch has it by default. The
benchmarks run it:

    python benchmarks/plain_ray.py '{"configs": [...], "data_root": "data"}'
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import ray
from ray import tune

sys.path.insert(0, str(Path(__file__).parents[1]))  # for workers, which do not have the working directory


def train(given: dict[str, Any]) -> None:
    import numpy as np
    import torch
    import torch.nn.functional as F
    from PIL import Image
    from safetensors.torch import load_file
    from torch.utils.data import DataLoader, Dataset

    from segtrain import records
    from segtrain.config import TrialConfig
    from segtrain.data import DATASETS
    from segtrain.data.cache import list_pairs
    from segtrain.data.pair_files import read_pair
    from segtrain.data.pixels import resize
    from segtrain.data.spec import IGNORE
    from segtrain.metrics.confusion import SegMetric
    from segtrain.models import build_model, fcn, load_parent
    from segtrain.models.matrix_products import ProductConv2d

    torch.set_num_threads(1)
    config = TrialConfig.from_dict(given["config"])
    dataset = DATASETS[config.dataset]
    pairs, classes = list_pairs(dataset, Path(given["data_root"])), len(dataset.classes)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))

    class Split(Dataset):  # type: ignore[type-arg]
        def __init__(self, name: str, flip: bool) -> None:
            self.pairs, self.flip = pairs[name], flip  # type: ignore[index]

        def __len__(self) -> int:
            return len(self.pairs)

        def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
            image, labels, *_ = read_pair(dataset, self.pairs[index])
            size = (config.image_width, config.image_height)
            pixels = torch.from_numpy(resize(image, config.image_height, config.image_width)).permute(2, 0, 1) / 255
            mask = torch.from_numpy(np.array(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST))).long()
            if self.flip and torch.rand(()) < 0.5:
                pixels, mask = pixels.flip(-1), mask.flip(-1)
            return (pixels - mean) / std, mask

    # What this program has instead of torch's own, since that is faster (docs/speed.md).
    ProductConv2d.forward = torch.nn.Conv2d.forward  # type: ignore[method-assign]
    fcn.upsample = lambda scores, size: F.interpolate(scores, size, mode="bilinear", align_corners=False)
    torch.manual_seed(config.seed)
    model = build_model(config, classes)
    if config.parent is not None:
        parent = records.trial_dir(Path(given["out"]), config.parent)
        load_parent(model, load_file(parent / records.BEST_FILE), config.freeze)
    if config.freeze == "encoder":
        model.encoder.requires_grad_(False)
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=config.lr, weight_decay=config.weight_decay, amsgrad=True)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, config.lr_gamma)
    criterion = torch.nn.CrossEntropyLoss(ignore_index=IGNORE)

    def evaluate(name: str) -> float:
        metric = SegMetric(classes, IGNORE)
        model.eval()
        with torch.no_grad():
            for images, masks in DataLoader(Split(name, flip=False), config.batch_size):
                metric.update(model(images).argmax(1), masks)
        return metric.mean_iou()

    best, kept, first_step = -1.0, {}, None
    loader = DataLoader(Split("train", flip=config.flip), config.batch_size, shuffle=True)
    for epoch in range(1, config.epochs + 1):
        model.train()
        for images, masks in loader:
            optimizer.zero_grad()
            criterion(model(images), masks).backward()
            optimizer.step()
            first_step = first_step or time.time()
        schedule.step()
        if epoch % config.val_every == 0 or epoch == config.epochs:
            found = evaluate("val")
            if found > best:
                best, kept = found, {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.load_state_dict(kept)
    tune.report({"test_mean_iou": evaluate("test"), "first_step": first_step})


def main() -> None:
    given = json.loads(sys.argv[1])
    ray.init("local", include_dashboard=False, log_to_driver=False, logging_level="error")
    points = [{"config": c, "data_root": given["data_root"], "out": given["out"]} for c in given["configs"]]
    found = tune.Tuner(
        tune.with_resources(lambda point: train(point["point"]), {"cpu": 1}),
        param_space={"point": tune.grid_search(points)},
        run_config=tune.RunConfig(storage_path=given["out"], verbose=0),
    ).fit()
    rows = [{key: result.metrics[key] for key in ("test_mean_iou", "first_step")} for result in found if result.metrics]
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
