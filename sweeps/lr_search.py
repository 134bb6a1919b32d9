"""At which learning rate is each architecture best, frozen and fine-tuned?

Question   The learning rate (and on request weight decay and batch size) of each architecture and freeze setting, each
           by a search of its own; trials that fall behind are stopped early.
Source     The reports fix 0.001 and compare once with half of it. Sampler: TPE (Bergstra et al. 2011); pruning:
           asynchronous successive halving (Li et al. 2020), both as Optuna has them.
Expected   A rate at least as good as 0.001, which is tried first and runs whole, for less than half of the epochs that
           the same trials would take whole.
Command    python sweeps/lr_search.py --arch fcn8s --trials 40 --num-gpus 8
           python sweeps/lr_search.py --arch fcn32s fcn16s fcn8s --freeze both --num-gpus 8
           python sweeps/fcn_grid.py --lr-from runs/studies/lr_search     (the grid at the rates that were found)
           python sweeps/lr_search.py --demo           (embedded scenes, minutes on two cores)
"""

import sys

from segtrain.config import TrialConfig
from sweeps.engine.ask.search import Choice, LogUniform, Range, Search
from sweeps.engine.ask.study import Study
from sweeps.engine.cli import search_main

SPACE: dict[str, Range] = {
    "lr": LogUniform(1e-5, 1e-1),
    "weight_decay": LogUniform(1e-5, 1e-1),
    "batch_size": Choice((4, 8, 16, 32, 64)),
}

SEARCH = Search(
    study=Study(
        name="lr_search",
        title="Learning-rate search",
        base=TrialConfig(arch="fcn8s", dataset="roads", init="imagenet"),
        axes={"arch": ("fcn8s",), "freeze": ("none",)},
    ),
    space=SPACE,
    tries=(1e-3, 5e-4),
    trials=40,
)

# ImageNet weights do not come with the program, so the demo trains its own stand-in on other scenes.
DEMO = Search(
    study=Study(
        name="lr_search",
        title="Learning-rate search, small",
        base=TrialConfig(
            arch="fcn8s",
            dataset="scenes",
            init="scratch",
            image_height=96,
            image_width=128,
            width_mult=0.25,
            epochs=7,
            batch_size=4,
            val_every=1,
        ),
        axes={"arch": ("fcn8s",), "freeze": ("none",)},
        pretrain={"dataset": "scenes_source"},
    ),
    space=SPACE,
    tries=(1e-3, 5e-4),
    trials=12,
)

if __name__ == "__main__":
    sys.exit(search_main(SEARCH, DEMO))
