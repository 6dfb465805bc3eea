"""A plan is kept while encoder, batch and settings are what they were, and no longer."""

import copy
import gc
import io
import pickle
import weakref

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from contractive.penalties import contraction_penalty, hessian_penalty
from contractive.penalties.methods.closed_form import ClosedForm
from contractive.penalties.plans import METHODS, run_planned
from tests.penalties.dense import assert_close, batch, dense_penalty, mlp


def encoder_of_three():
    return nn.Sequential(
        nn.Linear(6, 5), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 6), nn.ELU(), nn.Linear(6, 3), nn.Sigmoid()
    ).double()


class Planned:
    """Counts how often a plan is made."""

    def __init__(self):
        self.made = 0

    def __call__(self, encoder, x, settings=()):
        def make(structure, x):
            self.made += 1
            return lambda structure, x, generator: (structure.encoder(x), structure.layers)

        return run_planned(make, settings, encoder, x, None)


def test_nothing_is_planned_again_while_nothing_changes():
    planned, encoder = Planned(), encoder_of_three().eval()
    for _ in range(3):
        _, layers = planned(encoder, batch(4, 6))
        assert [layer.affine for layer in layers] == [encoder[0], encoder[3], encoder[5]]
        assert [layer.activation.module for layer in layers] == [encoder[1], encoder[4], encoder[6]]
    assert planned.made == 1
    # Training changes parameters in place.
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(1)
            parameter.grad = torch.ones_like(parameter)
    planned(encoder, batch(4, 6))
    assert planned.made == 1


def replaced_layer(encoder):
    encoder[0] = nn.Linear(6, 5).double()


def replaced_by_one_that_looks_the_same(encoder):
    del encoder[1]
    gc.collect()
    encoder.insert(1, nn.Tanh())


def replaced_parameter(encoder):
    encoder[0] = encoder[0]
    encoder[0].weight = nn.Parameter(torch.randn(5, 7).double())


def batch_norm_without_statistics(encoder):
    encoder[0].running_mean = encoder[0].running_var = None


CHANGES = {
    "a layer replaced": replaced_layer,
    "a layer replaced by its like": replaced_by_one_that_looks_the_same,
    "training mode": lambda encoder: encoder.train(),
    "one layer in training mode": lambda encoder: encoder[2].train(),
    "a hook": lambda encoder: encoder[1].register_forward_hook(lambda m, i, output: output**2),
    "a hook before": lambda encoder: encoder[3].register_forward_pre_hook(lambda m, i: i),
    "a parametrisation": lambda encoder: parametrizations.weight_norm(encoder[3]),
    "forward replaced": lambda encoder: setattr(encoder[1], "forward", torch.sin),
    "another class": lambda encoder: setattr(encoder[1], "__class__", nn.Sigmoid),
    "another type": lambda encoder: encoder.float(),
    "a layer more": lambda encoder: encoder.append(nn.Tanh()),
    "a layer less": lambda encoder: encoder.pop(-1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_of_the_encoder_is_noticed(change):
    planned, encoder = Planned(), encoder_of_three().eval()
    planned(encoder, batch(4, 6))
    CHANGES[change](encoder)
    x = batch(4, 6).to(encoder[0].weight.dtype)
    planned(encoder, x)
    planned(encoder, x)
    assert planned.made == 2


@pytest.mark.parametrize("change", ["a layer replaced", "a hook", "a parametrisation", "forward replaced"])
@pytest.mark.parametrize("method", ["auto", "exact", "autodiff"])
def test_the_value_follows_the_change(change, method):
    torch.manual_seed(0)
    encoder, x = encoder_of_three().eval(), batch(4, 6)
    options = {"max_ratio": 1e9} if method == "auto" else {}
    for alter in (lambda encoder: None, CHANGES[change]):
        alter(encoder)
        assert_close(contraction_penalty(encoder, x, method, **options)[1], dense_penalty(encoder, x))


def test_every_kind_of_batch_has_a_plan_of_its_own():
    planned, encoder = Planned(), mlp([6, 4]).float()
    kinds = [torch.zeros(4, 6), torch.zeros(3, 6), torch.zeros(4, 2, 3)]
    for _ in range(2):
        for x in kinds:
            planned(encoder, x)
    assert planned.made == 3
    for _ in range(2):
        with torch.autocast("cpu", torch.bfloat16):
            planned(encoder, kinds[0])
            planned(encoder, kinds[0].bfloat16())
    assert planned.made == 5
    planned(encoder, kinds[0], settings=("other",))
    assert planned.made == 6
    with pytest.raises(ValueError, match=r"type torch\.float32, got torch\.float64"):
        planned(encoder, kinds[0].double())
    with pytest.raises(ValueError, match="6 features"):
        planned(encoder, torch.zeros(4, 5))


def test_batches_of_ever_new_sizes_do_not_pile_up():
    planned, encoder = Planned(), mlp([6, 4])
    for size in range(1, 200):
        planned(encoder, batch(size, 6))
    planned(encoder, batch(199, 6))
    assert planned.made == 199
    planned(encoder, batch(1, 6))  # long forgotten
    assert planned.made == 200


def test_batch_normalisation_that_begins_to_use_the_batch_is_refused():
    encoder = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4)).double().eval()
    contraction_penalty(encoder, batch(4, 6))
    encoder[1].train()
    with pytest.raises(ValueError, match="statistics"):
        contraction_penalty(encoder, batch(4, 6))
    encoder[1].eval()
    contraction_penalty(encoder, batch(4, 6))
    encoder[1].running_mean = encoder[1].running_var = None
    with pytest.raises(ValueError, match="statistics"):
        contraction_penalty(encoder, batch(4, 6))


def test_a_convolution_that_pads_otherwise_than_before():
    torch.manual_seed(0)
    encoder, x = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Flatten()).double(), batch(2, 1, 3, 3)
    everything = {"distribution": "orthogonal", "probes": 9, "side": "input"}
    contraction_penalty(encoder, x, "hutchinson", **everything)
    encoder[0] = nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular").double()
    _, penalty = contraction_penalty(encoder, x, "hutchinson", **everything)
    assert_close(penalty, dense_penalty(encoder, x))


def test_dropout_is_random_again_in_training_mode():
    encoder, x = encoder_of_three().eval(), batch(4, 6)
    first, second = (contraction_penalty(encoder, x)[1] for _ in range(2))
    assert torch.equal(first, second)
    encoder.train()
    first, second = (contraction_penalty(encoder, x)[1] for _ in range(2))
    assert not torch.equal(first, second)


def test_a_generator_is_checked_at_every_call():
    encoder, x = mlp([6, 4]), batch(4, 6)
    contraction_penalty(encoder, x)
    with pytest.raises(ValueError, match="generator must be on the device of x"):
        contraction_penalty(encoder, x.to("meta"), generator=torch.Generator())


def test_options_of_another_type_are_not_taken_for_their_equals():
    encoder, x = mlp([6, 4]), batch(4, 6)
    contraction_penalty(encoder, x, "hutchinson", probes=1)
    hessian_penalty(encoder, x, probes=1)
    with pytest.raises(ValueError, match="got True"):
        contraction_penalty(encoder, x, "hutchinson", probes=True)
    with pytest.raises(ValueError, match="got True"):
        hessian_penalty(encoder, x, probes=True)
    with pytest.raises(ValueError, match=r"got \[1\]"):
        contraction_penalty(encoder, x, "hutchinson", probes=[1])


@pytest.mark.parametrize("method", [*METHODS, "hessian"])
@pytest.mark.parametrize("kind", ["layer", "layers", "module"])
def test_plans_keep_no_encoder_alive(method, kind):
    encoder = {
        "layer": lambda: nn.Linear(6, 4).double(),
        "layers": lambda: mlp([6, 4]) if method == "closed_form" else mlp([6, 5, 4]),
        "module": lambda: nn.Sequential(mlp([6, 4]), nn.Softmax(1)),
    }[kind]()
    if (method, kind) in {("closed_form", "module"), ("layerwise", "module")}:
        pytest.skip("refused")
    compute = hessian_penalty if method == "hessian" else contraction_penalty
    compute(encoder, batch(3, 6), "auto" if method == "hessian" else method)
    gone = [weakref.ref(module) for module in encoder.modules()]
    del encoder
    gc.collect()
    assert [module() for module in gone] == [None] * len(gone)


def test_an_encoder_is_copied_and_saved_as_before():
    torch.manual_seed(0)
    encoder, x = mlp([6, 5, 4]), batch(3, 6)
    attributes, keys = set(vars(encoder)), list(encoder.state_dict())
    before = contraction_penalty(encoder, x, "layerwise")[1]
    assert set(vars(encoder)) == attributes
    assert list(encoder.state_dict()) == keys
    buffer = io.BytesIO()
    torch.save(encoder, buffer)
    buffer.seek(0)
    copies = (
        copy.deepcopy(encoder),
        pickle.loads(pickle.dumps(encoder)),
        torch.load(buffer, weights_only=False),
    )
    for twin in copies:
        assert_close(contraction_penalty(twin, x, "layerwise")[1], before)
        nn.init.zeros_(twin[1].weight)
        assert (contraction_penalty(twin, x, "layerwise")[1] == 0).all()
    assert_close(contraction_penalty(encoder, x, "layerwise")[1], before)


def test_a_settings_class_is_shared_by_all_encoders():
    plan = ClosedForm().plan
    for width in (6, 3):
        encoder, x = mlp([width, 4]), batch(2, width)
        assert_close(run_planned(plan, ("mine",), encoder, x, None)[1], dense_penalty(encoder, x))
