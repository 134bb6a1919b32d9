"""Does SegFormer learn pets better when its encoder has learned street scenes first?

Question   SegFormer on pets: from scratch; with the encoder of a SegFormer trained on Cityscapes, fine-tuned at 0.001
           and at half of it; and with that encoder frozen. The decoder is always new.
Source     "Deep Learning Models for Image Semantic Segmentation" (Beraldi & Miesbauer, December 2024): 64 px,
           30 epochs, batch 64, AdamW at 0.001. It names neither SegFormer's size, B0 here, nor any augmentation.
Expected   Fine-tuned best, frozen slowest and worst, from scratch slower at first, and halving the learning rate
           changes little. That report has plots and no numbers.
Command    python sweeps/segformer_transfer.py --num-gpus 8 --data-root DIR    (DIR/cityscapes, DIR/oxford-iiit-pet)
           python sweeps/segformer_transfer.py --demo  (embedded scenes, minutes on two cores)
           python sweeps/segformer_transfer.py --plan  (what it would cost)
"""

import sys

from segtrain.config import TrialConfig
from sweeps.engine.ask.published import PublishedTable
from sweeps.engine.ask.study import Claim, Study
from sweeps.engine.cli import main

BERALDI = "Beraldi & Miesbauer 2024, plots"
PUBLISHED = PublishedTable("Beraldi & Miesbauer 2024", (), (), "It has plots and no numbers.")

STUDY = Study(
    name="segformer_transfer",
    title="SegFormer on pets: from scratch, or from street scenes",
    base=TrialConfig(
        arch="segformer_b0",
        dataset="pets",
        init="scratch",
        image_height=64,
        image_width=64,
        epochs=30,
        batch_size=64,
        lr=1e-3,
        flip=False,
    ),
    pretrain={"dataset": "cityscapes"},
    variants={
        "scratch": {"init": "scratch"},
        "fine-tuned": {"init": "parent"},
        "fine-tuned-half-lr": {"init": "parent", "lr": 5e-4},
        "frozen": {"init": "parent", "freeze": "encoder"},
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
            "Halving the learning rate changes little: less than two points",
            {"variant": "fine-tuned"},
            {"variant": "fine-tuned-half-lr"},
            BERALDI,
            margin=0.02,
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

DEMO = Study(
    name=STUDY.name,
    title=f"{STUDY.title}, small",
    base=STUDY.base.edit(dataset="animals", epochs=16, batch_size=8),
    pretrain={"dataset": "streets"},
    variants=STUDY.variants,
    claims=STUDY.claims,
    published=PUBLISHED,
)

if __name__ == "__main__":
    sys.exit(main(STUDY, DEMO))
