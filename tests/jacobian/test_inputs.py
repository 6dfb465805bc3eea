import pytest
import torch
from torch import nn

from contractive.penalties import contraction_penalty
from contractive.penalties.settings import METHODS as PACKAGE
from contractive.settings import choices
from tests.penalties.dense import assert_close, dense_penalty, mlp

METHODS = choices(PACKAGE)


def fitting(method, dtype=torch.double):
    return mlp([6, 4] if method == "closed_form" else [6, 5, 4]).to(dtype)


@pytest.mark.parametrize("method", METHODS)
def test_shapes(method):
    code, penalty = contraction_penalty(fitting(method), torch.randn(3, 2, 3).double(), method)
    assert code.shape == (3, 4)
    assert penalty.shape == (3,)


@pytest.mark.parametrize("method", METHODS)
def test_an_empty_batch(method):
    code, penalty = contraction_penalty(fitting(method), torch.zeros(0, 6).double(), method)
    assert code.shape == (0, 4)
    assert penalty.shape == (0,)
    penalty.sum().backward()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients_there_is_no_graph_and_the_same_value(method, mode):
    torch.manual_seed(0)
    encoder, x = fitting(method), torch.randn(3, 6).double()
    _, with_graph = contraction_penalty(encoder, x, method, generator=torch.Generator().manual_seed(1))
    with mode():
        code, penalty = contraction_penalty(
            encoder, x.clone(), method, generator=torch.Generator().manual_seed(1)
        )
    assert not code.requires_grad
    assert not penalty.requires_grad
    assert_close(penalty, with_graph.detach())


@pytest.mark.parametrize("copies", [1, 2], ids=["by rows", "by columns, of which there are fewer"])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients_an_encoder_that_torch_func_cannot_transform(mode, copies):
    with mode():
        x = torch.rand(3, 6)
        # A leaf cannot be changed in place under torch.func.
        _, penalty = contraction_penalty(lambda x: (x.relu_() * 2).repeat(1, copies), x, "autodiff")
    assert not penalty.requires_grad
    torch.testing.assert_close(penalty, torch.full((3,), 24.0 * copies))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_each_precision_returns_its_own(method, dtype):
    code, penalty = contraction_penalty(fitting(method, dtype), torch.randn(3, 6, dtype=dtype), method)
    assert code.dtype == penalty.dtype == dtype


@pytest.mark.parametrize("method", METHODS)
def test_under_bfloat16_autocast_the_penalty_is_summed_in_float32(method):
    torch.manual_seed(0)
    encoder = (mlp([64, 48]) if method == "closed_form" else mlp([64, 56, 48])).float()
    x = torch.randn(8, 64)
    # Enough probes to tell rounding from chance.
    options, tolerance = {}, 0.05
    if method == "hutchinson":
        options = {"probes": 64, "distribution": "orthogonal"}
    if method == "finite_difference":
        options, tolerance = {"probes": 800, "sigma": 0.1}, 0.12
    if method == "auto":
        options = {"max_ratio": 1e9}
    exact = dense_penalty(encoder, x)
    with torch.autocast("cpu", torch.bfloat16):
        _, penalty = contraction_penalty(encoder, x, method, **options)
    assert penalty.dtype == torch.float32
    torch.testing.assert_close(penalty, exact, rtol=tolerance, atol=0)
    penalty.mean().backward()
    ours = encoder[1].weight.grad
    (theirs,) = torch.autograd.grad(exact.mean(), encoder[1].weight)
    assert ours.dtype == torch.float32
    assert (ours - theirs).norm() < tolerance * theirs.norm()


@pytest.mark.parametrize("method", ["closed_form", "layerwise", "autodiff", "hutchinson"])
def test_an_encoder_in_bfloat16(method):
    encoder = fitting(method, torch.bfloat16)
    code, penalty = contraction_penalty(encoder, torch.randn(3, 6, dtype=torch.bfloat16), method)
    assert code.dtype == torch.bfloat16
    assert penalty.dtype == torch.float32
    penalty.sum().backward()
    assert encoder[1].weight.grad.dtype == torch.bfloat16


@pytest.mark.parametrize("method", METHODS)
def test_memory_layout_does_not_matter(method):
    torch.manual_seed(0)
    encoder, x = fitting(method), torch.randn(3, 2, 5).double().transpose(1, 2)[:, ::2]
    assert not x.is_contiguous()
    first, second = (
        contraction_penalty(encoder, v, method, generator=torch.Generator().manual_seed(0))[1]
        for v in (x, x.contiguous())
    )
    assert_close(first, second)


@pytest.mark.parametrize(
    ("encoder", "x", "settings", "words"),
    [
        (
            nn.Linear(4, 3),
            torch.ones(2, 4, dtype=torch.long),
            {},
            "x must be of a floating-point type, got torch.int64",
        ),
        (nn.Linear(4, 3), torch.ones(4), {}, r"x must be \(batch, \*input_shape\), got \(4,\)"),
        (nn.Linear(4, 3), torch.ones(2, 5), {}, r"x must have 4 features per example.* got 5"),
        (nn.Conv2d(3, 2, 3), torch.ones(2, 1, 5, 5), {}, r"x must have 3 channels per example.* got 1"),
        (nn.Linear(4, 3), torch.ones(2, 4).double(), {}, "type torch.float32, got torch.float64"),
        (nn.Sequential(nn.Linear(4, 3), nn.Softmax(1)), torch.ones(2, 5), {}, r"x of shape \(2, 5\)"),
        (lambda x: x.sum(0), torch.ones(2, 4), {}, r"a batch of 2 codes, got a code of shape \(4,\)"),
        (lambda x: x.sum(), torch.ones(2, 4), {}, r"got a code of shape \(\)"),
        (
            mlp([4, 3, 2]),
            torch.ones(2, 4).double(),
            {"method": "closed_form"},
            "one linear layer.*got 2 layers: use layerwise",
        ),
        (nn.Conv2d(1, 2, 3), torch.ones(2, 1, 5, 5), {"method": "closed_form"}, "use autodiff or hutchinson"),
        (nn.Conv2d(1, 2, 3), torch.ones(2, 1, 5, 5), {"method": "layerwise"}, "use autodiff or hutchinson"),
        (nn.Linear(4, 3), torch.ones(2, 4), {"method": "hutchinsen"}, "did you mean hutchinson"),
        (nn.Linear(4, 3), torch.ones(2, 4), {"method": "hutchinson", "probes": 0}, "probes must be"),
        (
            nn.Linear(4, 3),
            torch.ones(2, 4),
            {"method": "hutchinson", "probes": 5, "distribution": "orthogonal"},
            "at most 4",
        ),
        (
            nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)),
            torch.ones(2, 4),
            {},
            r"\.eval\(\).*group or layer",
        ),
        (nn.BatchNorm1d(4, track_running_stats=False).eval(), torch.ones(2, 4), {}, "statistics"),
    ],
)
def test_mistakes_are_told_in_one_line(encoder, x, settings, words):
    with pytest.raises(ValueError, match=words) as raised:
        contraction_penalty(encoder, x, **settings)
    assert "\n" not in str(raised.value)
