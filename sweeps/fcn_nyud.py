"""What does depth bring to an FCN indoors, and how should it be given?

Question   NYUDv2, 40 classes: RGB alone; depth alone, and as a fourth channel (early fusion); HHA, which encodes depth
           as disparity, height and angle; RGB and HHA in a network each, half the sum of their scores (late fusion), at
           stride 32 and at 16.
Source     Long, Shelhamer, Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015, section 5 and
           its NYUDv2 table. There the networks of a late fusion are trained on their own first, 16s starts from 32s,
           and the solver is SGD on one image a step; here all start from ImageNet, by AdamW.
Expected   Mean IoU 0.292 for RGB, 0.305 with depth as a fourth channel, 0.242 for HHA, 0.328 for both fused late, and
           0.340 at stride 16.
Command    python sweeps/fcn_nyud.py --num-gpus 8 --data-root DIR    (DIR/nyud)
           python sweeps/fcn_nyud.py --demo            (embedded rooms, minutes on two cores)
           python sweeps/fcn_nyud.py --plan            (what it would cost)
"""

import sys

from segtrain.config import TrialConfig
from sweeps.engine.ask.published import PublishedTable
from sweeps.engine.ask.study import Claim, Study
from sweeps.engine.cli import main

LONG = "Long et al. 2015, NYUDv2"

PUBLISHED = PublishedTable(
    LONG,
    ("variant", "test/mean_iou", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou"),
    (
        ("rgb", 0.292, 0.600, 0.422, 0.439),
        ("rgbd", 0.305, 0.615, 0.424, 0.455),
        ("hha", 0.242, 0.571, 0.352, 0.404),
        ("rgb-hha", 0.328, 0.643, 0.449, 0.480),
        ("16s-rgb-hha", 0.340, 0.654, 0.461, 0.495),
    ),
    "It trains by SGD, the networks of a late fusion first on their own and 16s from 32s, on all of trainval.",
)

STUDY = Study(
    name="fcn_nyud",
    title="FCN on NYUDv2: RGB, depth, HHA, early and late fusion",
    base=TrialConfig(
        arch="fcn32s",
        dataset="nyud",
        init="imagenet",
        image_height=480,
        image_width=640,
        epochs=40,
        batch_size=4,
        lr=1e-4,
        flip=False,
    ),
    variants={
        "rgb": {},
        "depth": {"dataset": "nyud_depth"},
        "rgbd": {"dataset": "nyud_rgbd"},
        "hha": {"dataset": "nyud_hha"},
        "rgb-hha": {"dataset": "nyud_rgb_hha", "fusion": "late"},
        "16s-rgb-hha": {"dataset": "nyud_rgb_hha", "fusion": "late", "arch": "fcn16s"},
    },
    claims=(
        Claim(
            "Depth as a fourth channel helps", {"variant": "rgbd"}, {"variant": "rgb"}, LONG, published=(0.305, 0.292)
        ),
        Claim(
            "RGB alone is better than HHA alone", {"variant": "rgb"}, {"variant": "hha"}, LONG, published=(0.292, 0.242)
        ),
        Claim("HHA is better than the depth itself", {"variant": "hha"}, {"variant": "depth"}, "expected here"),
        Claim(
            "Late fusion of RGB and HHA is better than RGB",
            {"variant": "rgb-hha"},
            {"variant": "rgb"},
            LONG,
            published=(0.328, 0.292),
        ),
        Claim(
            "Late fusion with HHA is better than early with depth",
            {"variant": "rgb-hha"},
            {"variant": "rgbd"},
            LONG,
            published=(0.328, 0.305),
        ),
        Claim(
            "FCN-16s is better than FCN-32s",
            {"variant": "16s-rgb-hha"},
            {"variant": "rgb-hha"},
            LONG,
            published=(0.340, 0.328),
        ),
    ),
    published=PUBLISHED,
)

DEMO = Study(
    name=STUDY.name,
    title=f"{STUDY.title}, small",
    base=STUDY.base.edit(
        dataset="rooms", init="scratch", image_height=96, image_width=128, width_mult=0.25, epochs=8, lr=1e-3
    ),
    variants={
        "rgb": {},
        "depth": {"dataset": "rooms_depth"},
        "rgbd": {"dataset": "rooms_rgbd"},
        "hha": {"dataset": "rooms_hha"},
        "rgb-hha": {"dataset": "rooms_rgb_hha", "fusion": "late"},
        "16s-rgb-hha": {"dataset": "rooms_rgb_hha", "fusion": "late", "arch": "fcn16s"},
    },
    claims=STUDY.claims,
    published=PUBLISHED,
)

if __name__ == "__main__":
    sys.exit(main(STUDY, DEMO))
