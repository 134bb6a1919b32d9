"""Can one FCN answer two questions about every pixel?

Question   SIFT Flow: 33 semantic and three geometric classes by one network with two heads, whose losses are summed,
           beside a network for each; at stride 32, and at 16 from it.
Source     Long, Shelhamer, Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015, section 5 and
           its SIFT Flow table; the solver ("heavy learning", see fcn_paper.py) is the reference implementation's.
Expected   FCN-16s: pixel accuracy 0.852, mean accuracy 0.517, mean IU 0.395, f.w. IU 0.761, geometric accuracy 0.943,
           and two heads do as well as two networks. There three classes that no test image has are left out of the
           means, here one of them counts as 0 where it is predicted; here a tenth of trainval chooses the weights.
Command    python sweeps/fcn_siftflow.py --num-gpus 8 --data-root DIR    (DIR/SiftFlow)
           python sweeps/fcn_siftflow.py --demo            (embedded views, minutes on two cores)
           python sweeps/fcn_siftflow.py --plan            (what it would cost)
"""

import sys

from segtrain.config import TrialConfig
from sweeps.engine.ask.published import PublishedTable
from sweeps.engine.ask.study import Claim, Study
from sweeps.engine.cli import main

LONG = "Long et al. 2015, SIFT Flow"
GEOMETRIC = "test/geometric/pixel_accuracy"

PUBLISHED = PublishedTable(
    LONG,
    ("variant", "test/mean_iou", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou", GEOMETRIC),
    (("16s", 0.395, 0.852, 0.517, 0.761, 0.943),),
    "Three classes that the test images lack are left out of its means; here they count where they are predicted.",
)

STUDY = Study(
    name="fcn_siftflow",
    title="FCN on SIFT Flow: two tasks, one network",
    base=TrialConfig(
        arch="fcn32s",
        dataset="siftflow",
        init="imagenet",
        image_height=256,
        image_width=256,
        epochs=45,
        batch_size=1,
        reduction="sum",
        optimizer="sgd",
        momentum=0.99,
        lr=1e-10,
        schedule="constant",
        weight_decay=5e-4,
        bias_lr_factor=2.0,
        bias_decay=False,
        upsampling="fixed",
        flip=False,
    ),
    variants={
        "32s": {},
        "16s": {"arch": "fcn16s", "from": "32s", "take": "all", "lr": 1e-12},
        "32s-semantic": {"dataset": "siftflow_semantic"},
        "16s-semantic": {
            "arch": "fcn16s", "dataset": "siftflow_semantic", "from": "32s-semantic", "take": "all", "lr": 1e-12,
        },
        "32s-geometric": {"dataset": "siftflow_geometric"},
        "16s-geometric": {
            "arch": "fcn16s", "dataset": "siftflow_geometric", "from": "32s-geometric", "take": "all", "lr": 1e-12,
        },
    },
    claims=(
        Claim("FCN-16s is better than FCN-32s", {"variant": "16s"}, {"variant": "32s"}, "as on PASCAL VOC"),
        Claim(
            "Two heads know the semantic classes as well as one: less than one point",
            {"variant": "16s"},
            {"variant": "16s-semantic"},
            f"{LONG}, without numbers",
            margin=0.01,
        ),
        Claim(
            "Two heads know the geometry as well as one: less than one point",
            {"variant": "16s"},
            {"variant": "16s-geometric"},
            f"{LONG}, without numbers",
            GEOMETRIC,
            margin=0.01,
        ),
    ),
    published=PUBLISHED,
)  # fmt: skip

# As in fcn_paper.py: at so few steps a stage is at a third of the rate before it, and ImageNet's weights do not come
# with the program, so the demo trains its own stand-in on other scenes.
DEMO = Study(
    name=STUDY.name,
    title=f"{STUDY.title}, small",
    base=STUDY.base.edit(
        dataset="outdoors", init="scratch", image_height=96, image_width=96, width_mult=0.25, epochs=6, lr=1e-7
    ),
    pretrain={
        "dataset": "scenes_source", "optimizer": "adamw", "momentum": 0.9, "reduction": "mean", "batch_size": 4,
        "lr": 1e-3,
    },
    variants={
        "32s": {"take": "all"},
        "16s": {"arch": "fcn16s", "from": "32s", "take": "all", "lr": 3e-8},
        "32s-semantic": {"dataset": "outdoors_semantic", "take": "all"},
        "16s-semantic": {
            "arch": "fcn16s", "dataset": "outdoors_semantic", "from": "32s-semantic", "take": "all", "lr": 3e-8,
        },
        "32s-geometric": {"dataset": "outdoors_geometric", "take": "all"},
        "16s-geometric": {
            "arch": "fcn16s", "dataset": "outdoors_geometric", "from": "32s-geometric", "take": "all", "lr": 3e-8,
        },
    },
    claims=STUDY.claims,
    published=PUBLISHED,
)  # fmt: skip

if __name__ == "__main__":
    sys.exit(main(STUDY, DEMO))
