"""Small models of every library, and own code in a folder of the test's."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from transformers.models.segformer.configuration_segformer import SegformerConfig
from transformers.models.segformer.modeling_segformer import SegformerForSemanticSegmentation

from segtrain import own_code

OWN = '''
from torch import nn


class Net(nn.Module):
    """At half the size of the image, with more images than outputs asked for."""

    def __init__(self, classes):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.score = nn.Conv2d(8, classes, 1)

    def forward(self, x):
        return self.score(self.encoder(x / 2))
'''


@pytest.fixture(scope="session")
def segformer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SegFormer for five classes, as save_pretrained writes it."""
    folder = tmp_path_factory.mktemp("hf") / "segformer-tiny"
    settings = SegformerConfig(
        num_labels=5, depths=[1, 1, 1, 1], hidden_sizes=[8, 16, 16, 16], decoder_hidden_size=16,
        num_attention_heads=[1, 1, 2, 2],
    )  # fmt: skip
    SegformerForSemanticSegmentation(settings).save_pretrained(folder)
    return folder


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """own(module, source=OWN) writes a module, or "package/module", that can be imported during the test."""
    folder, before = tmp_path / "own", set(sys.modules)
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path])
    own_code.make_importable([str(folder)])

    def write(module: str, source: str = OWN) -> Path:
        path = folder / f"{module}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
        own_code.make_importable([])
        return path

    yield write
    for name in set(sys.modules) - before:
        if own_code.is_own(getattr(sys.modules[name], "__file__", None) or "<none>"):
            del sys.modules[name]
    own_code.sources.cache_clear()
