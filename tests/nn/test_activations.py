"""The registry of activations, and every pointwise activation of PyTorch against the dense Jacobian."""

import subprocess
import sys
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn.modules import activation as torch_activations

from contractive.jacobian.pointwise import pointwise
from contractive.jacobian.structure import layers
from contractive.nn.activations import ACTIVATIONS, make_activation, record_of
from contractive.penalties import contraction_penalty, hessian_penalty
from tests.penalties.dense import assert_agrees, assert_close, batch, dense_jacobian

pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop")

NOT_POINTWISE = {"GLU", "MultiheadAttention", "Softmin", "Softmax", "Softmax2d", "LogSoftmax"}
# They take what they learn, or what they draw, for more than a number.
REFUSED = {"PReLU"}
OTHER_SETTINGS = {
    "CELU": [{"alpha": 0.4}, {"inplace": True}],
    "ELU": [{"alpha": 0.7}, {"inplace": True}],
    "Hardshrink": [{"lambd": 0.2}],
    "Hardsigmoid": [{"inplace": True}],
    "Hardswish": [{"inplace": True}],
    "Hardtanh": [{"min_val": -0.3, "max_val": 0.6}, {"inplace": True}],
    "LeakyReLU": [{"negative_slope": -0.3}, {"inplace": True, "negative_slope": 0.2}],
    "Mish": [{"inplace": True}],
    "ReLU": [{"inplace": True}],
    "ReLU6": [{"inplace": True}],
    "RReLU": [{"lower": 0.1, "upper": 0.9}, {"inplace": True}],
    "SELU": [{"inplace": True}],
    "SiLU": [{"inplace": True}],
    "Softplus": [{"beta": 2.5, "threshold": 1}],
    "Softshrink": [{"lambd": 0.2}],
    "Threshold": [{"threshold": 0.1, "value": -1.0}, {"threshold": 0.1, "value": 2.0, "inplace": True}],
    "GELU": [{"approximate": "tanh"}],
}
REQUIRED = {"Threshold": {"threshold": -0.2, "value": 0.5}}
POINTWISE = sorted({*torch_activations.__all__, "Softplus"} - NOT_POINTWISE - REFUSED)
CASES = [
    (name, settings)
    for name in POINTWISE
    for settings in (REQUIRED.get(name, {}), *OTHER_SETTINGS.get(name, []))
]


def stack(name, settings, widths):
    modules = []
    for before, after in pairwise(widths):
        modules += [nn.Linear(before, after), getattr(nn, name)(**settings)]
    return nn.Sequential(*modules).double().eval()


@pytest.mark.parametrize(("name", "settings"), CASES, ids=str)
@pytest.mark.parametrize(("method", "widths"), [("closed_form", [6, 5]), ("layerwise", [6, 5, 7, 3])])
def test_every_pointwise_activation_is_exact(name, settings, method, widths):
    torch.manual_seed(0)
    encoder, x = stack(name, settings, widths), batch(4, 6)
    assert len(layers(encoder, x)) == len(widths) - 1
    # PyTorch cannot differentiate hardsigmoid twice, and takes a sixth in single precision.
    same = [RampOfOtherOperations() if type(m) is nn.Hardsigmoid else m for m in encoder]
    tolerance = 1e-6 if name == "Hardsigmoid" else 1e-9
    assert_agrees(lambda _, x: contraction_penalty(encoder, x, method), nn.Sequential(*same), x, tolerance)


class RampOfOtherOperations(nn.Module):
    def forward(self, x):
        return nn.functional.relu6(x + 3) / 6


@pytest.mark.parametrize("name", ["Mish", "SELU", "Hardswish", "Softsign"])
def test_without_a_formula_the_gradient_can_be_differentiated_again(name):
    torch.manual_seed(0)
    encoder, x = stack(name, {}, [3, 4]), batch(2, 3)
    layer = encoder[0]

    def penalty(x, weight):
        own = torch.func.functional_call(Whole(encoder), {"encoder.0.weight": weight}, x)
        return own[1]

    assert torch.autograd.gradgradcheck(penalty, (x, layer.weight))


class Whole(nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, x):
        return contraction_penalty(self.encoder, x, "closed_form")


@pytest.mark.parametrize("name", ["Mish", "Hardswish", "LogSigmoid"])
def test_the_hessian_term_without_a_formula(name):
    torch.manual_seed(0)
    encoder, x = stack(name, {}, [6, 4]), batch(3, 6)
    ours = hessian_penalty(encoder, x, "closed_form", generator=torch.Generator().manual_seed(0))
    noise = 0.1 * torch.randn(4, 3, 6, dtype=x.dtype, generator=torch.Generator().manual_seed(0))
    at_x = dense_jacobian(encoder, x)
    theirs = sum((at_x - dense_jacobian(encoder, x + e)).square().sum((1, 2)) for e in noise) / 4 / 0.01
    assert_close(ours, theirs)


def test_no_gradient_and_inference_without_a_formula():
    encoder, x = stack("Mish", {}, [6, 5, 4]), torch.randn(3, 6).double()
    expected = contraction_penalty(encoder, x, "layerwise")[1].detach()
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert_close(contraction_penalty(encoder, x.clone(), "layerwise")[1], expected)


@pytest.mark.parametrize("name", sorted(NOT_POINTWISE - {"MultiheadAttention"}))
def test_what_is_not_pointwise_is_no_activation(name):
    assert pointwise(getattr(nn, name)()) is None


def test_a_learned_slope_is_trained_by_automatic_differentiation():
    torch.manual_seed(0)
    encoder, x = nn.Sequential(nn.Linear(6, 4), nn.PReLU(), nn.Linear(4, 3)).double(), batch(4, 6)
    with pytest.raises(ValueError, match="use autodiff"):
        contraction_penalty(encoder, x, "layerwise")
    assert_agrees(lambda encoder, x: contraction_penalty(encoder, x, "exact"), encoder, x)


def test_a_random_slope_is_the_same_in_code_and_derivative():
    torch.manual_seed(0)
    encoder, x = nn.Sequential(nn.RReLU(0.1, 0.9)), -torch.ones(6, 8)
    assert pointwise(encoder[0]) is None
    code, penalty = contraction_penalty(encoder, x, "exact")
    assert code.std() > 0
    torch.testing.assert_close(penalty, code.square().sum(1))
    assert pointwise(encoder.eval()[0]) is not None


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_bounds_are_where_it_levels_off(name):
    module, ends = make_activation(name), torch.tensor([-1e4, 1e4])
    slopes = torch.autograd.functional.jacobian(module, ends).diagonal()
    bounds = record_of(module).bounds
    assert (bounds is not None) == bool((slopes == 0).all())
    if bounds is not None:
        assert_close(module(ends), torch.tensor(bounds, dtype=ends.dtype))


def test_an_activation_of_somebody_elses_is_none_of_ours():
    class Tanh(nn.Tanh):
        pass

    assert record_of(Tanh()) is None
    assert record_of(nn.Linear(2, 2)) is None


def test_the_names_are_known_without_torch():
    code = "import sys, contractive.nn.activations as a; print(*a.ACTIVATIONS, 'torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert answer.split() == [*ACTIVATIONS, "False"]
