"""The transformer, by scikit-learn's own checks and beside runs of ``fit``."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from contractive import DataModule, load_autoencoder
from contractive.nn.exportable import Part
from contractive.runs.checkpoints import read_checkpoint
from contractive.sklearn import ContractiveTransformer
from contractive.training import fit
from contractive.training.history import NonFiniteLossError
from contractive.training.settings import Model, Optimizer, Trainer

X = load_iris().data
DIGITS = load_digits().data[:200]


def small(**parameters):
    return ContractiveTransformer(**{"hidden": (5,), "max_epochs": 3, "random_state": 0, **parameters})


def weights(transformer):
    return torch.cat([parameter.detach().flatten() for parameter in transformer.model_.parameters()])


@parametrize_with_checks([ContractiveTransformer(max_epochs=2)])
def test_scikit_learns_own_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        check(estimator)


def test_defaults_are_those_of_a_run():
    parameters = ContractiveTransformer().get_params()
    for name in ("lam", "activation", "tied", "reconstruction", "lam_hessian", "lam_warmup_epochs"):
        assert parameters[name] == getattr(Model(), name)
    assert list(parameters["hidden"]) == Model().hidden
    assert parameters["lr"] == Optimizer().lr and parameters["max_epochs"] == Trainer().max_epochs


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run over pictures, with everything that draws random numbers."""
    folder = tmp_path_factory.mktemp("run")
    np.save(folder / "x.npy", DIGITS.reshape(-1, 1, 8, 8))
    model = {
        "hidden": [7, 5],
        "lam": 0.1,
        "lam_warmup_epochs": 2,
        "corruption": {"kind": "gaussian", "amount": 0.1},
        "penalty": {"method": "hutchinson", "fraction": 0.5},
    }
    settings = {
        "model": model,
        "data": {"source": "array", "path": str(folder / "x.npy"), "batch_size": 32, "scaling": "unit"},
        "optimizer": {"lr": 0.01, "weight_decay": 0.01},
        "trainer": {"max_epochs": 4, "accelerator": "cpu"},
        "seed": 3,
    }
    return fit(settings, directory=folder / "run")


def test_the_weights_are_those_of_a_run_over_the_same_rows(run):
    rows = run.data.split("train").x.flatten(1).numpy()
    of_last = ContractiveTransformer.from_run(run.last)
    fitted = clone(of_last).set_params(max_epochs=4).fit(rows)
    torch.testing.assert_close(weights(fitted), weights(of_last), rtol=0, atol=1e-6)
    np.testing.assert_allclose(fitted.transform(rows), of_last.transform(rows), rtol=0, atol=1e-6)
    assert not torch.allclose(weights(clone(fitted).set_params(random_state=4).fit(rows)), weights(fitted))


def test_codes_of_transformer_model_and_onnxruntime_agree(run, tmp_path):
    x = run.data.split("test").x
    transformer = ContractiveTransformer.from_run(run.directory)
    codes = transformer.transform(x.flatten(1).numpy())
    assert transformer.n_iter_ == run.best_epoch and transformer.get_params()["lam"] == 0.1
    np.testing.assert_allclose(codes, run.model.encode(x.numpy()), rtol=0, atol=1e-5)
    back = transformer.inverse_transform(codes).reshape(x.shape)
    np.testing.assert_allclose(back, run.model.decode(codes), rtol=0, atol=1e-5)
    assert np.abs(back - x.numpy()).mean() < 4  # of 0 to 16

    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    batch = ({0: torch.export.Dim("batch")},)
    part = Part(run.model, "encoder")
    torch.onnx.export(part, (x,), tmp_path / "a.onnx", dynamo=True, dynamic_shapes=batch, verbose=False)
    session = runtime.InferenceSession(tmp_path / "a.onnx")
    (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    np.testing.assert_allclose(codes, found, rtol=0, atol=1e-5)


def test_bytes_that_a_run_was_trained_on_are_numbers_from_0_to_255(run, tmp_path):
    bytes_ = np.random.default_rng(0).integers(0, 256, (20, 64)).astype("u1")
    checkpoint = read_checkpoint(run.best)
    torch.save(checkpoint | {"data": checkpoint["data"] | {"is_bytes": True}}, tmp_path / "bytes.ckpt")
    transformer = ContractiveTransformer.from_run(tmp_path / "bytes.ckpt")
    x = bytes_.reshape(-1, 1, 8, 8)
    for rows in (bytes_, bytes_.astype("f8")):
        np.testing.assert_allclose(transformer.transform(rows), run.model.encode(x), rtol=0, atol=1e-6)
    back = transformer.inverse_transform(transformer.transform(bytes_)).round().clip(0, 255)
    assert np.abs(back - run.model.reconstruct(x).reshape(20, 64)).max() <= 1


def test_digits_are_those_of_scikit_learn_to_the_transformer_of_a_run(run, tmp_path, caplog):
    data = DataModule("digits")
    data.setup("fit")
    described = read_checkpoint(run.best) | {"data": data.description.plain()}
    torch.save(described, tmp_path / "digits.ckpt")
    transformer = ContractiveTransformer.from_run(tmp_path / "digits.ckpt")
    model = load_autoencoder(tmp_path / "digits.ckpt")
    x = (DIGITS / 16).reshape(-1, 1, 8, 8)
    codes = transformer.transform(DIGITS)
    np.testing.assert_allclose(codes, model.encode(x), rtol=0, atol=1e-6)
    back = transformer.inverse_transform(codes).reshape(x.shape)
    np.testing.assert_allclose(back, 16 * model.reconstruct(x), rtol=0, atol=1e-4)
    assert "units" not in caplog.text
    model.encode(16 * x)
    transformer.transform(16 * DIGITS)
    said = "x has values from 0 to 16, the training data had 0 to 1: are the units the same?"
    assert caplog.messages == [said, said]


def test_a_run_goes_on_in_the_units_of_scikit_learn(run):
    found = {}
    for source, x in (("digits", DIGITS), ("array", DIGITS / 16)):
        checkpoint, path = read_checkpoint(run.best), run.best.with_name(f"{source}.ckpt")
        torch.save(checkpoint | {"data": checkpoint["data"] | {"source": source}}, path)
        found[source] = weights(ContractiveTransformer.from_run(path).partial_fit(x))
    torch.testing.assert_close(found["digits"], found["array"])


def test_the_columns_of_a_run_have_their_names(run, tmp_path):
    checkpoint, names = read_checkpoint(run.best), [f"pixel{i}" for i in range(64)]
    torch.save(checkpoint | {"data": checkpoint["data"] | {"columns": names}}, tmp_path / "table.ckpt")
    transformer = ContractiveTransformer.from_run(tmp_path / "table.ckpt")
    frame = pd.DataFrame(DIGITS, columns=names)
    expected = run.model.encode(DIGITS.reshape(-1, 1, 8, 8))
    np.testing.assert_allclose(transformer.transform(frame), expected, atol=1e-6)
    with pytest.raises(ValueError, match="feature names should match"):
        transformer.transform(frame.rename(columns={"pixel0": "a"}))


def test_a_run_goes_on_with_its_optimiser(run):
    rows = run.data.split("train").x.flatten(1).numpy()
    whole = clone(ContractiveTransformer.from_run(run.last)).set_params(max_epochs=5).fit(rows)
    resumed = ContractiveTransformer.from_run(run.last).partial_fit(rows)
    torch.testing.assert_close(weights(resumed), weights(whole), rtol=0, atol=1e-6)


def test_partial_fit_goes_on_where_fit_stopped_and_from_a_pickle():
    whole, parts, pickled = small(lr=0.01).fit(X), small(lr=0.01), small(lr=0.01, max_epochs=2).fit(X)
    for _ in range(3):
        parts.partial_fit(X)
    pickled = pickle.loads(pickle.dumps(pickled)).partial_fit(X)
    assert torch.equal(weights(parts), weights(whole)) and torch.equal(weights(pickled), weights(whole))
    assert parts.n_iter_ == 3 and parts.loss_curve_ == whole.loss_curve_
    assert whole.loss_curve_[0] > whole.loss_curve_[2]
    # Not because there is nothing to be remembered.
    forgetful = small(lr=0.01, max_epochs=2).fit(X)
    forgetful._optimizer.state.clear()
    assert not torch.equal(weights(forgetful.partial_fit(X)), weights(whole))


def test_fit_begins_anew_and_leaves_other_random_numbers_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    transformer = small().fit(X)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(weights(clone(transformer).fit(DIGITS).fit(X)), weights(transformer))
    drawn = [small(random_state=np.random.RandomState(seed)).fit(X) for seed in (0, 0, 1)]
    assert torch.equal(weights(drawn[0]), weights(drawn[1]))
    assert not torch.equal(weights(drawn[0]), weights(drawn[2]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_keep_their_type_and_numbers_their_meaning(dtype):
    transformer = small().fit(X)
    codes = transformer.transform(X.astype(dtype))
    assert codes.dtype == transformer.inverse_transform(codes).dtype == dtype
    assert transformer.score_samples(X.astype(dtype)).dtype == dtype
    np.testing.assert_allclose(codes, transformer.transform(X), atol=1e-6)
    whole = small().fit(DIGITS)
    np.testing.assert_allclose(whole.transform(DIGITS.astype("u1")), whole.transform(DIGITS))


@pytest.mark.parametrize("scaling", ["auto", "unit", "none"])
def test_reconstructions_are_in_own_units_and_scores_are_their_errors(scaling):
    transformer = small(hidden=(40,), scaling=scaling, max_epochs=150, lr=0.01, lam=0).fit(X)
    back = transformer.inverse_transform(transformer.transform(X))
    assert np.abs(back - X).mean() < 0.25
    spread = {"auto": X.std(0), "unit": X.max(0) - X.min(0), "none": 1}[scaling]
    errors = (((back - X) / spread) ** 2).sum(1)
    np.testing.assert_allclose(transformer.score_samples(X), -errors, rtol=1e-4, atol=1e-6)
    assert transformer.score(X) == pytest.approx(-errors.mean(), rel=1e-4)


def test_pictures_may_be_convolved():
    transformer = small(input_shape=(1, 8, 8), channels=(2,)).fit(DIGITS)
    assert transformer.transform(DIGITS).shape == (200, 5)
    assert transformer.inverse_transform(transformer.transform(DIGITS)).shape == DIGITS.shape
    with pytest.raises(ValueError, match=r"input_shape=\(1, 8, 9\) has 72 values; X has 64 features"):
        small(input_shape=(1, 8, 9)).fit(DIGITS)


def test_it_works_in_a_search_of_a_pipeline_in_two_processes():
    pipeline = make_pipeline(small(max_epochs=20, lr=0.01), LogisticRegression())
    grid = {
        "contractivetransformer__hidden": [(8,), [6, 4]],
        "contractivetransformer__lam": np.array([0.0, 0.1]),
        "contractivetransformer__batch_size": np.array([64]),
    }
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2, error_score="raise").fit(X, load_iris().target)
    assert search.best_score_ > 0.7
    assert search.predict(X).shape == (150,)


def test_its_model_knows_columns_and_range_as_a_loaded_one_does(caplog):
    frame = pd.DataFrame(X, columns=list("abcd"))
    transformer = small().fit(frame)
    code = transformer.model_.encode(frame[["d", "a", "b", "c"]])
    np.testing.assert_allclose(code, transformer.transform(frame), atol=1e-6)
    assert transformer.model_.trained_range == (pytest.approx(X.min()), pytest.approx(X.max()))
    transformer.partial_fit(frame.assign(a=1000.0))
    transformer.partial_fit(frame)
    assert transformer.model_.trained_range == (pytest.approx(X.min()), 1000)
    assert not caplog.messages
    transformer.transform(9000 * frame)
    assert caplog.messages[0].endswith("the training data had 0.1 to 1000: are the units the same?")
    assert small().fit(X).model_.columns is None


def test_it_works_on_some_of_the_columns():
    frame = pd.DataFrame(X, index=range(5, 155), columns=list("abcd"))
    columns = ColumnTransformer([("code", small(), ["b", "d"])], remainder="passthrough")
    found = columns.set_output(transform="pandas").fit_transform(frame)
    names = [f"code__contractivetransformer{i}" for i in range(5)]
    assert list(found) == [*names, "remainder__a", "remainder__c"]
    assert list(found.index) == list(frame.index)
    np.testing.assert_allclose(found[names], small().fit_transform(frame[["b", "d"]]))


def test_a_progress_bar_is_shown_only_if_asked_for(capfd):
    small().fit(X)
    assert capfd.readouterr() == ("", "")
    small(verbose=True).fit(X)
    assert "ContractiveTransformer" in capfd.readouterr().out


def test_sparse_rows_are_refused_in_scikit_learns_words():
    for method in (small().fit, small().partial_fit, small().fit(X).transform):
        with pytest.raises(TypeError, match="Sparse data was passed"):
            method(csr_array(X))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"lam": -1}, "lam must be a finite number >= 0; got -1"),
        ({"hidden": 5}, "hidden must be a list of sizes"),
        ({"activation": "sigmoidd"}, "activation must be one of .*did you mean sigmoid"),
        ({"scaling": "unti"}, "scaling must be one of .*did you mean unit"),
        ({"optimizer": "Adamm"}, "name must be one of .*did you mean Adam"),
        ({"max_epochs": 0}, "max_epochs must be an integer >= 1; got 0"),
        ({"batch_size": 0}, "batch_size must be an integer >= 1; got 0"),
        ({"penalty": {"method": "hutchinson", "probes": 0}}, "penalty.probes must be an integer"),
        ({"reconstruction": "cross_entropy"}, r"needs values in \[0, 1\], got -.*: use scaling='unit'"),
        ({"random_state": "one"}, "cannot be used to seed"),
    ],
)
def test_a_parameter_that_is_not_what_it_may_be_is_refused_when_fitting(parameters, message):
    with pytest.raises(ValueError, match=message):
        small(**parameters).fit(X)


def test_what_was_settled_when_fitting_began_cannot_change_on_the_way():
    transformer = small().fit(X).set_params(hidden=(6,), lam=0.5, lr=0.5)
    with pytest.raises(ValueError, match="hidden changed since fitting began: call fit to begin anew"):
        transformer.partial_fit(X)
    before = weights(transformer)
    transformer.set_params(hidden=(5,), lr=1e-30).partial_fit(X)
    assert torch.equal(weights(transformer), before)


def test_what_becomes_infinite_is_told():
    with pytest.raises(NonFiniteLossError, match=r"the loss became (nan|inf) in epoch 1: lower lr or lam"):
        small(optimizer="SGD", lr=1e30).fit(X)
    with pytest.raises(ValueError, match="X holds values beyond 32-bit floats"):
        small().fit(1e200 * X)
