"""What every architecture has to do, whichever paper it is from: one set of tests, run for each."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from segtrain.architectures import SCALABLE, Arch
from segtrain.config import TrialConfig
from segtrain.models import MODELS, build_model
from segtrain.models.encoder_decoder import EncoderDecoder
from segtrain.training import checkpoint
from segtrain.training.objective.optimizer import build_optimizer

Build = Callable[..., EncoderDecoder]
Recipe = Callable[..., TrialConfig]
Noise = Callable[..., Tensor]

LARGE = ("segformer_b1", "segformer_b2", "segformer_b3", "segformer_b4", "segformer_b5")
ARCHS = [arch for arch in MODELS if arch not in LARGE]
PARAMETERS: dict[Arch, int] = {
    # With 3 classes. FCN on VGG16 as in its paper with 13 (see test_fcn.py): less 10 times the inputs of the score
    # layers, and for each learned upsampling 3 x 3 x 4 x 4.
    "fcn32s": 134_313_805 - 10 * 4097,
    "fcn16s": 134_320_474 - 10 * (4097 + 513) + 144,
    "fcn8s": 134_323_815 - 10 * (4097 + 513 + 257) + 2 * 144,
    "fcn_resnet50": 32_947_779,
    "segformer_b0": 3_714_915,
    # By the encoders of the paper's table 1: 13.1, 24.2, 44.0, 60.8, 81.4 million.
    "segformer_b1": 13_151_424 + 526_595,
    "segformer_b2": 24_196_288 + 3_152_643,
    "segformer_b3": 44_072_128 + 3_152_643,
    "segformer_b4": 60_842_688 + 3_152_643,
    "segformer_b5": 81_443_008 + 3_152_643,
    # By hand in test_unet.py.
    "unet": 31_037_763,
    "unet_noskip": 27_904_323,
    "unet_residual": 32_436_483,
    "unet_attention_residual": 33_481_927,
}


@pytest.mark.parametrize("arch", MODELS)
def test_parameters_and_operations_are_counted_without_memory(recipe: Recipe, arch: Arch) -> None:
    with torch.device("meta"):
        model, x = build_model(recipe(arch, width_mult=1.0), 3), torch.empty(2, 3, 33, 70)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[arch]
    with FlopCounterMode(display=False) as counter:
        logits = model(x)
        forward = counter.get_total_flops()
        logits.sum().backward()
    assert logits.shape == (2, 3, 33, 70)
    # Gradients of inputs and weights cost a forward pass each, less that of the image. torch counts the weights of
    # SegFormer's depthwise convolutions as if they were dense.
    assert 2.9 * forward < counter.get_total_flops() <= (12 if "segformer" in arch else 3) * forward


@pytest.mark.parametrize("arch", ARCHS)
def test_logits_have_the_size_of_the_image(build: Build, images: Noise, arch: Arch) -> None:
    model = build(arch).eval()
    for count, height, width in ((1, 32, 32), (2, 32, 64), (3, 64, 32), (1, 33, 47), (2, 95, 36), (1, 100, 36)):
        x = images(count, height, width)
        logits = model(x)
        assert logits.shape == (count, 13, height, width)
        assert logits.dtype == torch.float32
        assert logits.isfinite().all()
        assert logits.std() > 0
        assert torch.equal(logits, model.decoder(model.encoder(x), (height, width)))


@pytest.mark.parametrize("arch", ARCHS)
def test_an_image_does_not_depend_on_its_batch(build: Build, images: Noise, arch: Arch) -> None:
    model, x = build(arch).eval().double(), images(3, 40, 56).double()
    alone = torch.cat([model(image[None]) for image in x])
    torch.testing.assert_close(model(x), alone)


@pytest.mark.parametrize("arch", ARCHS)
def test_every_parameter_gets_a_gradient(build: Build, images: Noise, targets: Noise, arch: Arch) -> None:
    model = build(arch).train()
    F.cross_entropy(model(images(2, 64, 96)), targets(2, 64, 96)).backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients.values())
    # A key's bias adds the same to all scores of a query, and softmax takes it away: zero but for rounding.
    still = [name for name, gradient in gradients.items() if not gradient.any() and not name.endswith("k_proj.bias")]
    assert still == []


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("side", [32, 64])
def test_a_batch_may_hold_one_image(build: Build, images: Noise, targets: Noise, arch: Arch, side: int) -> None:
    """Batch norm needs more than one value a channel: at 32 pixels the coarsest map that it norms still has four."""
    model = build(arch).train()
    loss = F.cross_entropy(model(images(1, side, side)), targets(1, side, side))
    loss.backward()
    assert loss.isfinite()


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_training_steps_repeat_to_the_bit(
    build: Build, recipe: Recipe, images: Noise, targets: Noise, arch: Arch, precision: torch.dtype
) -> None:
    torch.use_deterministic_algorithms(True)
    ends = []
    for _ in range(2):
        model = build(arch).to(memory_format=torch.channels_last).train()
        optimizer = build_optimizer(recipe(arch, lr=1e-3), model)
        torch.manual_seed(7)
        for seed in (1, 2):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
                logits = model(images(2, 33, 48, seed).to(memory_format=torch.channels_last))
            assert logits.dtype == torch.float32
            F.cross_entropy(logits, targets(2, 33, 48)).backward()
            optimizer.step()
        ends.append(model.state_dict())
    assert all(tensor.isfinite().all() for tensor in ends[0].values())
    assert all(torch.equal(tensor, ends[1][name]) for name, tensor in ends[0].items())


@pytest.mark.parametrize("arch", ARCHS)
def test_saved_weights_give_the_same_bits(build: Build, images: Noise, arch: Arch, tmp_path: Path) -> None:
    model = build(arch).to(memory_format=torch.channels_last).eval()
    checkpoint.save_best(tmp_path, checkpoint.copy_weights(model))
    other = build(arch, seed=9).to(memory_format=torch.channels_last).eval()
    x = images(2, 40, 56).to(memory_format=torch.channels_last)
    expected = model(x)
    assert not torch.equal(other(x), expected)
    other.load_state_dict(checkpoint.load_best(tmp_path))
    assert torch.equal(other(x), expected)


@pytest.mark.parametrize("arch", ARCHS)
def test_the_seed_makes_the_weights(build: Build, arch: Arch) -> None:
    first, again, other = (build(arch, seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    matrices = [name for name, tensor in first.items() if tensor.dim() > 1 and "upscore" not in name]
    assert not any(torch.equal(first[name], other[name]) for name in matrices)


@pytest.mark.parametrize("arch", SCALABLE)
def test_the_width_scales_every_layer_of_the_encoder(recipe: Recipe, arch: Arch) -> None:
    with torch.device("meta"):
        full, half = (build_model(recipe(arch, width_mult=width), 13).encoder.state_dict() for width in (1.0, 0.5))
    assert full.keys() == half.keys()
    assert all(tensor.shape[0] == 2 * half[name].shape[0] for name, tensor in full.items() if tensor.dim() > 0)


def test_transformers_is_imported_when_a_segformer_is_built() -> None:
    """It takes seconds. A fresh process, because this one may have it already."""
    program = (
        "import sys, torch\n"
        "from segtrain.models import build_model, weights\n"
        "from segtrain.config import TrialConfig\n"
        "before = 'transformers' in sys.modules\n"
        "with torch.device('meta'):\n"
        "    build_model(TrialConfig(arch='segformer_b0', dataset='roads'), 3)\n"
        "print(before, 'transformers' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("False True\n", "")
