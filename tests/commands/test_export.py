"""What is exported computes what the model does, for batches of any size."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from contractive import load_autoencoder
from contractive.training import fit

DIGITS = (load_digits().images / 16).astype(np.float32)[:7, None]


@pytest.fixture
def model(digits_run):
    return load_autoencoder(digits_run / "checkpoints" / "best.ckpt")


@pytest.mark.parametrize("part", ["encoder", "decoder", "both"])
def test_torch_reads_what_was_written(contractive, digits_run, model, tmp_path, part):
    said = contractive("export", digits_run, "--part", part, "-o", tmp_path / "m.pt2")
    assert "differs from the model by" in said
    exported = torch.export.load(tmp_path / "m.pt2").module()
    code = model.encode(torch.from_numpy(DIGITS))
    found = exported(code if part == "decoder" else torch.from_numpy(DIGITS))
    torch.testing.assert_close(found, code if part == "encoder" else model.decode(code))


def test_what_was_trained_on_bytes_takes_bytes(contractive, tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (40, 6, 6), np.uint8)
    np.save(tmp_path / "x.npy", x)
    settings = {"data": {"source": "array", "path": str(tmp_path / "x.npy")}, "model": {"hidden": [4]}}
    run = fit(settings | {"trainer": {"max_epochs": 1}}, directory=tmp_path / "run")
    said = contractive("export", run.directory, "-o", tmp_path / "m.pt2")
    assert "the encoder, of uint8" in said
    x = torch.from_numpy(x)[:7, None]
    torch.testing.assert_close(torch.export.load(tmp_path / "m.pt2").module()(x), run.model.encode(x))


def test_onnxruntime_reads_the_encoder_with_its_scaling(contractive, table_run, table, tmp_path):
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    contractive("export", table_run, "-o", tmp_path / "m.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]
    x = table.drop(columns=["patient", "diagnosis"]).to_numpy(np.float32)
    (found,) = runtime.InferenceSession(tmp_path / "m.onnx").run(["y"], {"x": x})
    model = load_autoencoder(table_run / "checkpoints" / "best.ckpt")
    np.testing.assert_allclose(found, model.encode(x), atol=1e-5)


def test_without_the_extra_it_says_what_to_install(contractive, digits_run, tmp_path, monkeypatch):
    monkeypatch.setattr("contractive.commands.export.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'contractive\[onnx\]', or write \.pt2"):
        contractive("export", digits_run, "-o", tmp_path / "m.onnx")


def test_what_differs_from_the_model_is_not_kept(contractive, digits_run, tmp_path, monkeypatch):
    monkeypatch.setattr("contractive.commands.export._pt2", lambda path: torch.zeros_like)
    with pytest.raises(ValueError, match="differs from the model by"):
        contractive("export", digits_run, "--part", "both", "-o", tmp_path / "m.pt2")
    assert not list(tmp_path.iterdir())
