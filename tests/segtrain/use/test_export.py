"""What is exported agrees with the model, and says what it is; what does not agree is not kept."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor

import segtrain
from segtrain import records
from segtrain.data.roads import CLASSES
from segtrain.use import export as exporting
from segtrain.use.export import EXPORTERS, ExportError, check, export, read_panels

Call = Callable[..., tuple[int, str, str]]


def test_onnx_is_run_by_onnxruntime_alone(call: Call, trained: Path, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    path = tmp_path / "fcn.onnx"
    code, text, error = call("export", trained, "--format", "onnx", "--out", path)
    assert (code, error) == (0, "")
    assert text.startswith(f"{path}: checked on 3 test images, logits differ by at most ")
    assert [found.name for found in tmp_path.iterdir()] == ["fcn.onnx"]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.shape[1:], given.name, given.shape[1:]) == ("image", [3, 32, 48], "logits", [13, 32, 48])
    model = segtrain.load(trained)
    images = read_panels(model)
    (logits,) = session.run(None, {"image": images.numpy()})
    for image, found in zip(images, logits, strict=True):
        assert (found.argmax(0) == model.predict(image)).all()
    kept = json.loads(session.get_modelmeta().custom_metadata_map["segtrain"])
    assert kept["classes"] == list(CLASSES)
    assert kept["config"] == model.config.to_dict()


def test_torchscript_and_safetensors_go_next_to_the_weights(call: Call, trained: Path) -> None:
    model = segtrain.load(trained)
    images = read_panels(model)
    for kind, name in (("torchscript", "model.torchscript.pt"), ("safetensors", "model.safetensors")):
        code, text, error = call("export", trained, "--format", kind)
        path = trained / name
        assert (code, error) == (0, "")
        assert text == (
            f"{path}: checked on 3 test images, logits differ by at most 0.0e+00 of the largest, 100 % of the pixels "
            "get the same class\n"
        )
        for image, logits in zip(images, EXPORTERS[kind].open(path)(images), strict=True):  # type: ignore[index]
            assert (logits.argmax(0).numpy() == model.predict(image)).all()
        path.unlink()


def test_a_safetensors_file_says_what_it_is(trained: Path, tmp_path: Path) -> None:
    export(trained, "safetensors", tmp_path / "a.safetensors")
    with safe_open(tmp_path / "a.safetensors", framework="pt") as file:
        kept = json.loads(file.metadata()["segtrain"])
    assert sorted(kept) == ["bits", "channels", "classes", "config", "mean", "palette", "std", "streams"]


def test_what_does_not_agree_is_not_kept(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("of before")
    exporter = EXPORTERS["safetensors"]

    def opened(written: Path) -> Callable[[Tensor], Tensor]:
        run = exporter.open(written)
        return lambda images: 1.001 * run(images)

    monkeypatch.setitem(exporting.EXPORTERS, "safetensors", exporter._replace(open=opened))
    with pytest.raises(ExportError, match=r"differs from the trial's by 1\.0e-03 of its largest logit on 3 test"):
        export(trained, "safetensors", path)
    assert path.read_text() == "of before"
    assert len([*tmp_path.iterdir()]) == 1


def test_numbers_that_are_none_do_not_agree() -> None:
    with pytest.raises(ExportError, match="differs from the trial's by nan"):
        check(torch.nn.Identity(), lambda images: images * np.nan, torch.ones(2, 3, 4, 4))
    with pytest.raises(ExportError, match=r"gives \(2, 3, 4, 2\) instead of \(2, 3, 4, 4\)"):
        check(torch.nn.Identity(), lambda images: images[..., :2], torch.ones(2, 3, 4, 4))


def test_what_cannot_be_run_is_a_line() -> None:
    def run(images: Tensor) -> Tensor:
        if len(images) == 1:
            raise RuntimeError("Got: 1 Expected: 2")
        return images

    with pytest.raises(ExportError, match="cannot be run on 1 test images: Got: 1 Expected: 2; nothing was kept, try"):
        check(torch.nn.Identity(), run, torch.ones(2, 3, 4, 4))


def test_what_is_missing_is_said_before_anything_is_loaded(
    call: Call, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(exporting, "find_spec", lambda name: None if name == "onnxscript" else name)
        assert call("export", trained, "--format", "onnx") == (
            2,
            "",
            "error: format onnx needs onnxscript, not installed here: uv pip install -e '.[export]' in the program's "
            "checkout, or another --format\n",
        )
    code, _, error = call("export", trained, "--format", "torchscript", "--out", tmp_path / "gone/a.pt")
    assert (code, error) == (2, f"error: {tmp_path / 'gone'} is no folder; make it, or choose another --out\n")


def test_a_trial_that_has_not_finished_has_no_images_to_check_with(trained: Path, tmp_path: Path) -> None:
    for name in (records.CONFIG_FILE, records.BEST_FILE, records.MODEL_FILE):
        (tmp_path / name).write_bytes((trained / name).read_bytes())
    with pytest.raises(ExportError, match="has no images of the test set to check the export with; they are written"):
        export(tmp_path, "safetensors")
