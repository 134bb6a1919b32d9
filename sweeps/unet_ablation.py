"""Which parts of a U-Net earn their place on road scenes?

Question   A U-Net of four levels: standard, without skip connections, with residual blocks, and with residual blocks
           and attention gates in their two variants.
Source     Report 2021101058, runs `UNet_Standard_256`, `UNet_NoSkip_256`, `ResidualUNet_256` and
           `AttentionResidualUNet_256`: 256 px; epochs, optimiser, learning rate and augmentation are not given; images
           are flipped here.
Expected   Skip connections give sharper edges and small objects; attention gates bring no significant gain on dense
           scenes of many classes. That report has plots and no numbers.
Command    python sweeps/unet_ablation.py --num-gpus 8
           python sweeps/unet_ablation.py --demo       (embedded scenes, minutes on two cores)
           python sweeps/unet_ablation.py --plan       (what it would cost)
"""

import sys

from segtrain.config import TrialConfig
from sweeps.engine.ask.published import PublishedTable
from sweeps.engine.ask.study import Claim, Study
from sweeps.engine.cli import main

REPORT = "report 2021101058, plots"
PUBLISHED = PublishedTable("report 2021101058", (), (), "It has plots and no numbers.")

STUDY = Study(
    name="unet_ablation",
    title="U-Net on road scenes: skips, residual blocks, attention gates",
    base=TrialConfig(arch="unet", dataset="roads", init="scratch", image_height=256, image_width=256),
    variants={
        "standard": {"arch": "unet"},
        "no-skips": {"arch": "unet_noskip"},
        "residual": {"arch": "unet_residual"},
        "attention-residual": {"arch": "unet_attention_residual", "gate": "strided"},
        "attention-residual-upsampled": {"arch": "unet_attention_residual", "gate": "upsampled"},
    },
    claims=(
        Claim("Skip connections raise mean IoU", {"variant": "standard"}, {"variant": "no-skips"}, REPORT),
        Claim(
            "Skip connections give sharper edges",
            {"variant": "standard"},
            {"variant": "no-skips"},
            REPORT,
            metric="mean_boundary_iou",
        ),
        Claim(
            "Skip connections help with small objects",
            {"variant": "standard"},
            {"variant": "no-skips"},
            REPORT,
            metric="iou_small",
        ),
        Claim(
            "Attention gates bring no gain: less than one point",
            {"variant": "attention-residual"},
            {"variant": "residual"},
            REPORT,
            margin=0.01,
        ),
        Claim(
            "With residual blocks and attention gates it is no other than the standard U-Net: less than one point",
            {"variant": "attention-residual"},
            {"variant": "standard"},
            REPORT,
            margin=0.01,
        ),
        Claim(
            "The two attention gates do not differ: less than one point",
            {"variant": "attention-residual"},
            {"variant": "attention-residual-upsampled"},
            "expected here; the report compares no numbers",
            margin=0.01,
        ),
    ),
    published=PUBLISHED,
)

DEMO = Study(
    name=STUDY.name,
    title=f"{STUDY.title}, small",
    base=STUDY.base.edit(dataset="scenes", image_height=96, image_width=128, width_mult=0.25, epochs=5, batch_size=4),
    variants=STUDY.variants,
    claims=STUDY.claims,
    published=PUBLISHED,
)

if __name__ == "__main__":
    sys.exit(main(STUDY, DEMO))
