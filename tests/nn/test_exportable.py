"""What leaves PyTorch, or is compiled, copied and pickled, computes what it did before."""

import copy
import pickle

import pytest
import torch

from contractive import Autoencoder, ContractiveAutoencoder
from contractive.nn.exportable import PARTS, Part

BATCH = {0: torch.export.Dim("batch")}


def scaled(model):
    torch.manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    model.scaler.shift.fill_(2.0)
    model.scaler.scale.fill_(0.25)
    return model.eval()


MODELS = {
    "deep": lambda: scaled(ContractiveAutoencoder((1, 4, 4), hidden=[6, 3], scaled=True)),
    "convolutions": lambda: scaled(
        Autoencoder((1, 4, 4), channels=[2], hidden=[3], scaled=True, reconstruction="cross_entropy")
    ),
}
X, CODE = torch.rand(5, 1, 4, 4), torch.rand(5, 3)


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]()


def by_hand(model, part, x):
    code = model.encoder((x - 2) * 0.25) if part != "decoder" else x
    if part == "encoder":
        return code
    output = model.decoder(code)
    return (output.sigmoid() if model.reconstruction == "cross_entropy" else output) / 0.25 + 2


@pytest.mark.parametrize("part", sorted({*PARTS} - {"head"}))
def test_every_part_is_exported_for_any_batch(model, part):
    traced, x = (CODE, torch.rand(7, 3)) if part == "decoder" else (X, torch.rand(7, 1, 4, 4))
    program = torch.export.export(Part(model, part), (traced,), dynamic_shapes=(BATCH,))
    torch.testing.assert_close(program.module()(x), by_hand(model, part, x))


def test_the_whole_is_exported_as_it_is(model):
    program = torch.export.export(model, (X,), dynamic_shapes=(BATCH,))
    x = torch.rand(2, 1, 4, 4)
    torch.testing.assert_close(program.module()(x), by_hand(model, "both", x))


@pytest.mark.parametrize("part", ["encoder", "both"])
def test_onnxruntime_computes_the_same(model, part, tmp_path):
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    shapes = {"dynamo": True, "dynamic_shapes": (BATCH,), "verbose": False}
    if part == "both" and isinstance(model, ContractiveAutoencoder):
        model.to_onnx(tmp_path / "a.onnx", X, **shapes)
    else:
        torch.onnx.export(Part(model, part), (X,), tmp_path / "a.onnx", **shapes)
    session, x = runtime.InferenceSession(tmp_path / "a.onnx"), torch.rand(7, 1, 4, 4)
    (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), by_hand(model, part, x), rtol=0, atol=1e-5)


def test_a_compiled_model_computes_the_same(model):
    compiled = torch.compile(model, backend="aot_eager")
    torch.testing.assert_close(compiled(X), model(X))


@pytest.mark.parametrize("again", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_has_weights_of_its_own_and_stays_tied(model, again):
    expected, other = model.reconstruct(X).detach(), again(model)
    with torch.no_grad():
        model.encoder[-2].weight.zero_()
    torch.testing.assert_close(other.reconstruct(X), expected)
    with torch.no_grad():
        other.encoder[-2].weight.zero_()
    # The decoder's first layer is that one, transposed.
    moved = other.decode(torch.zeros(1, 3)) - other.decode(torch.ones(1, 3))
    assert not moved.any()
