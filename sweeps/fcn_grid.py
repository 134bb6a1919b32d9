"""Which FCN, frozen or fine-tuned, at which learning rate?

Question   FCN-32s, FCN-16s and FCN-8s on VGG16, the encoder frozen or trained along, over learning rates, on road
           scenes with 13 classes.
Source     "Semantic Segmentation using FCNs" (Edachali, January 2025), table 1, runs `fcn8s freeze`, `fcn8s unfreeze`
           and so on; and report 2021101058, runs `FCN8s_vgg16_freeze`, `FCN8s_vgg16_finetune` and so on.
           Networks: Long et al. 2015.
Expected   Test mean IoU there: 0.653, 0.723, 0.765 frozen and 0.789, 0.811, 0.825 unfrozen for 32s, 16s, 8s. Compare
           the order: that report gives neither resolution, split, epochs, batch size, optimiser, learning rate nor
           augmentation, so all of these are choices made here, flips too.
Command    python sweeps/fcn_grid.py --num-gpus 8
           python sweeps/fcn_grid.py --demo            (embedded scenes, minutes on two cores)
           python sweeps/fcn_grid.py --plan            (what it would cost)
"""

import sys

from segtrain.config import TrialConfig
from sweeps.engine.ask.published import PublishedTable
from sweeps.engine.ask.study import Claim, Study
from sweeps.engine.cli import main

EDACHALI = "Edachali 2025, run list"

PUBLISHED = PublishedTable(
    f"{EDACHALI}; runs of 13-class road scenes at a size that it does not give",
    ("arch", "freeze", "test/mean_iou", "val/mean_iou", "test/loss", "val/loss", "train/loss", "runtime_s"),
    (
        ("fcn32s", "encoder", 0.65325, 0.6576, 0.01431, 0.015195, 0.014157, 1258),
        ("fcn16s", "encoder", 0.72293, 0.737, 0.010363, 0.010939, 0.010207, 1207),
        ("fcn8s", "encoder", 0.76542, 0.76907, 0.008979, 0.009484, 0.0087949, 1194),
        ("fcn32s", "none", 0.789, 0.79333, 0.0058223, 0.006033, 0.0049128, 2068),
        ("fcn16s", "none", 0.8114, 0.8148, 0.0050258, 0.0062574, 0.0040014, 2019),
        ("fcn8s", "none", 0.82528, 0.8281, 0.0046665, 0.0047754, 0.0039601, 2019),
    ),
    "Of frozen FCN-16s its run list has 0.72293, as here and in the claims, and its table 1 has 0.73293. "
    "How its loss is taken over the pixels is not said, so losses compare by their order alone.",
)

STUDY = Study(
    name="fcn_grid",
    title="FCN architecture x frozen or fine-tuned encoder x learning rate",
    base=TrialConfig(arch="fcn8s", dataset="roads", init="imagenet"),
    axes={
        "arch": ("fcn32s", "fcn16s", "fcn8s"),
        "freeze": ("encoder", "none"),
        "lr": (1e-3, 3e-4, 1e-4, 3e-5),
    },
    claims=(
        Claim(
            "FCN-8s is better than FCN-16s, fine-tuned",
            {"arch": "fcn8s", "freeze": "none"},
            {"arch": "fcn16s", "freeze": "none"},
            EDACHALI,
            published=(0.82528, 0.8114),
        ),
        Claim(
            "FCN-16s is better than FCN-32s, fine-tuned",
            {"arch": "fcn16s", "freeze": "none"},
            {"arch": "fcn32s", "freeze": "none"},
            EDACHALI,
            published=(0.8114, 0.789),
        ),
        Claim(
            "FCN-8s is better fine-tuned than frozen",
            {"arch": "fcn8s", "freeze": "none"},
            {"arch": "fcn8s", "freeze": "encoder"},
            EDACHALI,
            published=(0.82528, 0.76542),
        ),
        Claim(
            "FCN-32s is better fine-tuned than frozen",
            {"arch": "fcn32s", "freeze": "none"},
            {"arch": "fcn32s", "freeze": "encoder"},
            EDACHALI,
            published=(0.789, 0.65325),
        ),
        Claim(
            "Fine-tuning helps FCN-8s more than FCN-32s",
            {"arch": "fcn8s"},
            {"arch": "fcn32s"},
            "report 2021101058; the numbers of Edachali 2025, beside, say the opposite",
            gain=("freeze", "encoder", "none"),
            published=(0.05986, 0.13575),
        ),
        Claim(
            "Fine-tuning helps FCN-8s more than FCN-16s",
            {"arch": "fcn8s"},
            {"arch": "fcn16s"},
            "report 2021101058; the numbers of Edachali 2025, beside, say the opposite",
            gain=("freeze", "encoder", "none"),
            published=(0.05986, 0.08847),
        ),
        Claim(
            "FCN-16s is better fine-tuned than frozen",
            {"arch": "fcn16s", "freeze": "none"},
            {"arch": "fcn16s", "freeze": "encoder"},
            EDACHALI,
            published=(0.8114, 0.72293),
        ),
        Claim(
            "FCN-8s is better than FCN-16s, frozen",
            {"arch": "fcn8s", "freeze": "encoder"},
            {"arch": "fcn16s", "freeze": "encoder"},
            EDACHALI,
            published=(0.76542, 0.72293),
        ),
        Claim(
            "FCN-16s is better than FCN-32s, frozen",
            {"arch": "fcn16s", "freeze": "encoder"},
            {"arch": "fcn32s", "freeze": "encoder"},
            EDACHALI,
            published=(0.72293, 0.65325),
        ),
        Claim(
            "An epoch of fine-tuning takes longer than one with a frozen encoder",
            {"freeze": "none"},
            {"freeze": "encoder"},
            f"{EDACHALI}: runs of 34 min fine-tuned, of 20 min frozen",
            metric="epoch_s",
        ),
        Claim(
            "Fine-tuning takes more memory than a frozen encoder",
            {"freeze": "none"},
            {"freeze": "encoder"},
            "expected here; the report compares no memory",
            metric="peak_memory_bytes",
        ),
    ),
    published=PUBLISHED,
)

# ImageNet weights do not come with the program, so the demo trains its own stand-in on other scenes.
DEMO = Study(
    name=STUDY.name,
    title=f"{STUDY.title}, small",
    base=TrialConfig(
        arch="fcn8s",
        dataset="scenes",
        init="scratch",
        image_height=96,
        image_width=128,
        width_mult=0.25,
        epochs=5,
        batch_size=4,
        val_every=2,
    ),
    axes={**STUDY.axes, "lr": (1e-3,)},
    pretrain={"arch": "fcn8s", "dataset": "scenes_source"},
    claims=STUDY.claims,
    published=PUBLISHED,
)

if __name__ == "__main__":
    sys.exit(main(STUDY, DEMO))
