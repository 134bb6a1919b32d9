"""SegFormer against transformers' own, and its sizes against the paper's."""

from collections.abc import Callable
from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.models.segformer.configuration_segformer import SegformerConfig
from transformers.models.segformer.modeling_segformer import SegformerForSemanticSegmentation

from segtrain.models.segformer import DIMENSIONS, Size, build_segformer

Noise = Callable[..., Tensor]

ENCODER_AND_DECODER_MILLIONS: dict[Size, tuple[float, float]] = {
    "b0": (3.4, 0.4), "b1": (13.1, 0.6), "b2": (24.2, 3.3), "b3": (44.0, 3.3), "b4": (60.8, 3.3), "b5": (81.4, 3.3),
}  # fmt: skip


@pytest.mark.parametrize("size", ENCODER_AND_DECODER_MILLIONS)
def test_the_sizes_of_the_paper(size: Size) -> None:
    """Table 1, on 150 classes."""
    with torch.device("meta"):
        model = build_segformer(150, size)
    millions = [sum(p.numel() for p in part.parameters()) / 1e6 for part in (model.encoder, model.decoder)]
    assert millions == pytest.approx(ENCODER_AND_DECODER_MILLIONS[size], abs=0.1)


def test_every_size_has_its_dimensions() -> None:
    assert tuple(DIMENSIONS) == get_args(Size)


@torch.no_grad()
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_logits_are_transformers(images: Noise, attention: str) -> None:
    """Its default configuration is B0's. Its logits stand at a quarter of the size."""
    reference = SegformerForSemanticSegmentation(SegformerConfig(num_labels=3, attn_implementation=attention)).eval()
    model = build_segformer(3, "b0").eval()
    model.encoder.load_state_dict(reference.segformer.state_dict())
    model.decoder.head.load_state_dict(reference.decode_head.state_dict())
    for height, width in ((64, 96), (33, 47)):
        x = images(2, height, width)
        logits = reference(x).logits
        assert logits.shape == (2, 3, -(-height // 4), -(-width // 4))
        expected = F.interpolate(logits, size=(height, width), mode="bilinear", align_corners=False)
        torch.testing.assert_close(model(x), expected)
        assert expected.std() > 0.01


def test_weights_start_as_transformers() -> None:
    torch.manual_seed(4)
    model = build_segformer(3, "b0").state_dict()
    torch.manual_seed(4)
    reference = SegformerForSemanticSegmentation(SegformerConfig(num_labels=3)).state_dict()
    ours = [name.replace("encoder.", "segformer.").replace("decoder.head.", "decode_head.") for name in model]
    assert ours == list(reference)
    assert all(torch.equal(tensor, reference[name]) for name, tensor in zip(ours, model.values(), strict=True))


def test_stochastic_depth_and_dropout_are_the_papers(images: Noise) -> None:
    """The chance to skip a block rises evenly to 0.1 over the blocks; a tenth of the fused features is dropped."""
    model = build_segformer(3, "b0")
    rates = [block.drop_path.extra_repr() for stage in model.encoder.stages for block in stage.blocks[:2]]
    assert rates == ["", *(f"p={0.1 * block / 7}" for block in range(1, 8))]
    assert model.decoder.head.dropout.p == 0.1
    x = images(2, 32, 32)
    assert not torch.equal(model.train()(x), model(x))
    assert torch.equal(model.eval()(x), model(x))


def test_from_scratch_as_in_the_papers_code() -> None:
    """What transformers draws for the feed-forward blocks is a tenth of it and less."""
    library, paper = (dict(build_segformer(3, "b0", start).named_parameters()) for start in ("library", "paper"))
    feed_forward = "encoder.stages.3.blocks.0.mlp"
    depthwise = [kernels[f"{feed_forward}.dwconv.dwconv.weight"].std().item() for kernels in (library, paper)]
    assert depthwise == pytest.approx([0.02, (2 / 9) ** 0.5], rel=0.05)
    patches = paper["encoder.stages.0.patch_embeddings.proj.weight"]
    assert patches.std().item() == pytest.approx((2 / (7 * 7 * 32)) ** 0.5, rel=0.1)
    assert paper[f"{feed_forward}.fc1.weight"].std().item() == pytest.approx(0.02, rel=0.05)
    assert paper["decoder.head.linear_fuse.weight"].std().item() == pytest.approx((2 / 256) ** 0.5, rel=0.05)
    # torch's own start is uniform up to 1 / sqrt(fan_in).
    assert paper["decoder.head.classifier.weight"].std().item() == pytest.approx((1 / (3 * 256)) ** 0.5, rel=0.1)
