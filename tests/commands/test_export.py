"""What is exported computes what the model does, for batches of any size."""

import json
from copy import deepcopy

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from contractive import load_autoencoder
from contractive.commands import export
from contractive.nn.exportable import Part
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


def features(table):
    return table.drop(columns=["patient", "diagnosis"]).to_numpy(np.float32)


def logits_by_hand(run, x):
    """Scaling, encoder and head of a run in numpy, from the weights of its checkpoint."""
    w = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    w = {name: tensor.double().numpy() for name, tensor in w.items()}
    scaled = (x - w["scaler.shift"]) * w["scaler.scale"]
    code = 1 / (1 + np.exp(-(scaled @ w["encoder.1.weight"].T + w["encoder.1.bias"])))
    hidden = code @ w["head.layers.0.weight"].T + w["head.layers.0.bias"]
    deviation = np.sqrt(w["head.norms.0.running_var"] + 1e-5)
    hidden = (hidden - w["head.norms.0.running_mean"]) / deviation
    hidden = np.maximum(hidden * w["head.norms.0.weight"] + w["head.norms.0.bias"], 0)
    return hidden @ w["head.last.weight"].T + w["head.last.bias"]


def test_a_classifier_gives_logits_and_says_of_which_classes(contractive, head_run, table, tmp_path):
    said = contractive("export", head_run, "-o", tmp_path / "m.pt2")
    assert "the logits, of float32; differs from the model by" in said
    assert "Logits of benign, malignant; the names are its metadata 'classes', in JSON" in said
    extra = {"classes": ""}
    exported = torch.export.load(tmp_path / "m.pt2", extra_files=extra).module()
    assert json.loads(extra["classes"]) == ["benign", "malignant"]
    x = features(table)
    found = exported(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(found, logits_by_hand(head_run, x.astype(float)), atol=1e-3)


def test_onnxruntime_reads_the_logits_and_the_names_of_the_classes(contractive, head_run, table, tmp_path):
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    contractive("export", head_run, "-o", tmp_path / "m.onnx")
    session = runtime.InferenceSession(tmp_path / "m.onnx")
    told = session.get_modelmeta().custom_metadata_map
    assert json.loads(told["classes"]) == ["benign", "malignant"]
    (found,) = session.run(["y"], {"x": features(table)})
    np.testing.assert_allclose(found, logits_by_hand(head_run, features(table).astype(float)), atol=1e-3)


def test_the_encoder_of_a_classifier_is_one_of_its_parts(contractive, head_run, table, tmp_path):
    said = contractive("export", head_run, "--part", "encoder", "-o", tmp_path / "m.pt2")
    assert "the encoder, of float32" in said and "Logits" not in said
    x = torch.from_numpy(features(table))
    model = load_autoencoder(head_run / "checkpoints" / "best.ckpt")
    torch.testing.assert_close(torch.export.load(tmp_path / "m.pt2").module()(x), model.encode(x))


@pytest.mark.parametrize(
    ("run", "part", "said"),
    [
        ("head_run", "decoder", "export --part decoder: .* trained to tell classes, without a decoder"),
        ("head_run", "both", "export --part both: .* trained to tell classes, without a decoder"),
        ("pixels_run", "encoder", "is a classifier on the inputs, without an encoder"),
        ("table_run", "head", "is an autoencoder, without a head: contractive finetune trains one"),
    ],
)
def test_a_part_that_was_not_trained_is_refused(contractive, request, tmp_path, run, part, said):
    with pytest.raises(ValueError, match=said):
        contractive("export", request.getfixturevalue(run), "--part", part, "-o", tmp_path / "m.pt2")
    assert not list(tmp_path.iterdir())


def without_scaling(part):
    part.model.scaler = None
    return part


def of_another_part(part):
    return Part(part.model, "both" if part.compute == "encode" else "encoder")


def a_little_off(part):
    with torch.no_grad():
        next(iter(part.parameters())).mul_(1.01)
    return part


def in_wrong_units(part):
    part.model.scaler.scale.mul_(1.01)
    return part


@pytest.mark.parametrize("mistake", [without_scaling, of_another_part, a_little_off, in_wrong_units])
@pytest.mark.parametrize(("run", "part"), [("table_run", "encoder"), ("head_run", "head")])
def test_a_mistake_in_what_is_written_is_seen(
    contractive, request, tmp_path, monkeypatch, mistake, run, part
):
    write = export._write_pt2
    monkeypatch.setattr(export, "_write_pt2", lambda p, *rest: write(mistake(deepcopy(p)), *rest))
    with pytest.raises(ValueError, match=r"what was exported (differs|gives) .*: nothing is written"):
        contractive("export", request.getfixturevalue(run), "--part", part, "-o", tmp_path / "m.pt2")
    assert not list(tmp_path.iterdir())


def test_a_mistake_is_seen_however_small_the_units():
    small = torch.full((2, 6), 1e-6)
    with pytest.raises(ValueError, match=r"differs from the model by 1\.0"):
        export._compared(lambda x: x, [small], lambda x: x * 1.001)
    assert export._compared(lambda x: x, [small], lambda x: x * 1.00001).startswith("differs")
