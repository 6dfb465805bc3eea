"""Inside ``torch.compile``, without generated code: tracing is what can go wrong."""

import pytest
import torch
from torch import nn

from contractive.penalties import contraction_penalty, hessian_penalty
from tests.penalties.dense import assert_close, batch, mlp


@pytest.mark.parametrize(
    ("method", "widths", "options"),
    [
        ("auto", [6, 4], {}),
        ("auto", [6, 5, 4], {}),
        ("exact", [6, 5, 4], {}),
        ("closed_form", [6, 4], {}),
        ("layerwise", [6, 5, 4], {}),
        ("hutchinson", [6, 5, 4], {}),
        ("hutchinson", [6, 5, 4], {"fraction": 0.5}),
        ("finite_difference", [6, 5, 4], {}),
    ],
)
def test_a_stack_of_layers_is_traced_as_one_graph(method, widths, options):
    torch.manual_seed(0)
    encoder, x = mlp(widths), batch(4, 6)

    def loss(x):
        code, penalty = contraction_penalty(encoder, x, method, **options)
        return code.square().sum() + penalty.sum()

    torch.manual_seed(1)
    eager = torch.autograd.grad(loss(x), [x, *encoder.parameters()])
    torch.manual_seed(1)
    compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)
    assert_close(torch.autograd.grad(compiled(x), [x, *encoder.parameters()]), eager)


@pytest.mark.parametrize("method", ["auto", "exact", "autodiff", "hutchinson"])
def test_any_module_works_inside_a_compiled_function(method):
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(6, 4), nn.GroupNorm(2, 4), nn.Tanh()).double()
    x = batch(4, 6)

    def loss(x):
        code, penalty = contraction_penalty(encoder, x, method)
        return code.square().sum() + penalty.sum()

    torch.manual_seed(1)
    eager = torch.autograd.grad(loss(x), [x, *encoder.parameters()])
    torch.manual_seed(1)
    assert_close(
        torch.autograd.grad(torch.compile(loss, backend="aot_eager")(x), [x, *encoder.parameters()]), eager
    )


@pytest.mark.parametrize("method", ["closed_form", "layerwise"])
def test_an_activation_without_a_formula_is_traced_too(method):
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(6, 4), nn.Mish()).double()
    if method == "layerwise":
        encoder = encoder.extend([nn.Linear(4, 5), nn.SELU()]).double()
    x = batch(4, 6)

    def loss(x):
        code, penalty = contraction_penalty(encoder, x, method)
        return code.square().sum() + penalty.sum()

    eager = torch.autograd.grad(loss(x), [x, *encoder.parameters()])
    compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)
    assert_close(torch.autograd.grad(compiled(x), [x, *encoder.parameters()]), eager)


@pytest.mark.parametrize("widths", [[6, 4], [6, 5, 4]])
def test_the_hessian_term_is_traced_as_one_graph(widths):
    torch.manual_seed(0)
    encoder, x = mlp(widths), batch(4, 6)

    def loss(x, **settings):
        return hessian_penalty(encoder, x, **settings).sum()

    compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)
    gradients = []
    for compute in (loss, compiled):
        torch.manual_seed(1)
        gradients.append(torch.autograd.grad(compute(x), [x, *encoder.parameters()], allow_unused=True))
    assert_close(*gradients)


@pytest.mark.parametrize(
    ("settings", "words"), [({"probes": 0}, "probes must be"), ({"method": "x"}, "method")]
)
@pytest.mark.parametrize("penalty", [contraction_penalty, hessian_penalty])
def test_mistakes_are_told_while_tracing_too(penalty, settings, words):
    compiled = torch.compile(lambda x: penalty(mlp([6, 4]), x, **{"method": "hutchinson", **settings}))
    with pytest.raises(Exception, match=words):
        compiled(batch(4, 6))
