"""What does a pretrained encoder bring to FCN-ResNet50 on pets?

Question   FCN-ResNet50 from scratch, with a pretrained encoder fine-tuned, and with that encoder frozen.
Source     "Deep Learning Models for Image Semantic Segmentation" (Beraldi & Miesbauer, December 2024): Oxford-IIIT
           Pet at 64 px, 30 epochs, batch 64, AdamW at 0.001, the decoder always new. It names no augmentation.
Expected   Fine-tuned best, frozen worst, from scratch slower at first. That report has plots and no numbers.
Command    python sweeps/fcn_resnet50.py --num-gpus 8 --download
           python sweeps/fcn_resnet50.py --demo        (embedded scenes, minutes on two cores)
           python sweeps/fcn_resnet50.py --plan        (what it would cost)
"""

import sys

from segtrain.config import TrialConfig
from sweeps.engine.ask.published import PublishedTable
from sweeps.engine.ask.study import Claim, Study
from sweeps.engine.cli import main

BERALDI = "Beraldi & Miesbauer 2024, plots"
PUBLISHED = PublishedTable("Beraldi & Miesbauer 2024", (), (), "It has plots and no numbers.")

STUDY = Study(
    name="fcn_resnet50",
    title="FCN-ResNet50 on pets: from scratch, fine-tuned, frozen encoder",
    base=TrialConfig(
        arch="fcn_resnet50",
        dataset="pets",
        image_height=64,
        image_width=64,
        epochs=30,
        batch_size=64,
        lr=1e-3,
        flip=False,
    ),
    variants={
        "scratch": {"init": "scratch"},
        "fine-tuned": {"init": "imagenet"},
        "frozen": {"init": "imagenet", "freeze": "encoder"},
    },
    claims=(
        Claim("Fine-tuned is better than from scratch", {"variant": "fine-tuned"}, {"variant": "scratch"}, BERALDI),
        Claim("From scratch is better than a frozen encoder", {"variant": "scratch"}, {"variant": "frozen"}, BERALDI),
        Claim(
            "From scratch is slower at first than fine-tuned",
            {"variant": "fine-tuned"},
            {"variant": "scratch"},
            BERALDI,
            metric="early_val_mean_iou",
        ),
        Claim(
            "A frozen encoder is the slowest at first, slower than from scratch",
            {"variant": "scratch"},
            {"variant": "frozen"},
            BERALDI,
            metric="early_val_mean_iou",
        ),
        Claim(
            "An epoch of fine-tuning takes longer than one with a frozen encoder",
            {"variant": "fine-tuned"},
            {"variant": "frozen"},
            "expected here; the report gives no times",
            metric="epoch_s",
        ),
        Claim(
            "Fine-tuning takes more memory than a frozen encoder",
            {"variant": "fine-tuned"},
            {"variant": "frozen"},
            "expected here; the report gives no memory",
            metric="peak_memory_bytes",
        ),
        Claim(
            "Validation falls back more often from scratch than fine-tuned",
            {"variant": "scratch"},
            {"variant": "fine-tuned"},
            "expected here; the report compares how steady two architectures are",
            metric="val_unsteadiness",
        ),
        Claim(
            "The border is harder than the pet, fine-tuned",
            {"variant": "fine-tuned"},
            None,
            BERALDI,
            metric="iou[pet] - iou[border]",
        ),
        Claim(
            "The border is harder than the background, fine-tuned",
            {"variant": "fine-tuned"},
            None,
            BERALDI,
            metric="iou[background] - iou[border]",
        ),
    ),
    published=PUBLISHED,
)

# ImageNet weights do not come with the program, so the demo trains its own stand-in on street scenes.
DEMO = Study(
    name=STUDY.name,
    title=f"{STUDY.title}, small",
    base=STUDY.base.edit(dataset="animals", init="scratch", epochs=5, batch_size=16),
    variants={
        "scratch": {"init": "scratch"},
        "fine-tuned": {"init": "parent"},
        "frozen": {"init": "parent", "freeze": "encoder"},
    },
    pretrain={"dataset": "streets"},
    claims=STUDY.claims,
    published=PUBLISHED,
)

if __name__ == "__main__":
    sys.exit(main(STUDY, DEMO))
