"""What a run with a head takes examples for."""

import numpy as np
import pandas as pd
import pytest
import torch

from contractive.training.classifier import Classifier


@pytest.fixture(scope="module")
def model(head_run):
    return Classifier.load_from_checkpoint(head_run / "checkpoints" / "best.ckpt")


def features(table):
    return table.drop(columns=["patient", "diagnosis"]).to_numpy(np.float32)


@pytest.mark.parametrize("kind", [".csv", ".parquet"])
def test_a_table_has_the_class_by_name_its_probability_and_those_of_all(
    contractive, head_run, model, table, tumours, tmp_path, kind
):
    out = tmp_path / f"p{kind}"
    said = contractive("classify", head_run, tumours, "-o", out)
    found = pd.read_parquet(out) if kind == ".parquet" else pd.read_csv(out)
    every = ["p_benign", "p_malignant"]
    assert list(found) == ["row", "patient", "diagnosis", "predicted", "probability", *every]
    assert (found["patient"] == table["patient"]).all()
    with torch.no_grad():
        wanted = torch.softmax(model.logits(torch.from_numpy(features(table))), 1).numpy()
    np.testing.assert_allclose(found[every], wanted, atol=1e-6)
    np.testing.assert_allclose(found["probability"], wanted.max(1), atol=1e-6)
    assert list(found["predicted"]) == [["benign", "malignant"][number] for number in wanted.argmax(1)]
    wrong = int((found["predicted"] != table["diagnosis"]).sum())
    assert f"Of 569 with a label {wrong} are taken for another class" in said and 0 < wrong < 569


@pytest.mark.usefixtures("in_pieces")
def test_arrays_of_the_own_test_split(contractive, head_run, model, tmp_path):
    for kind in (".npz", ".npy"):
        contractive("classify", head_run, "-o", tmp_path / f"p{kind}")
    archive, alone = np.load(tmp_path / "p.npz"), np.load(tmp_path / "p.npy")
    assert set(archive) == {"row", "split", "label", "predicted", "probability", "probabilities"}
    assert (archive["probabilities"] == alone).all() and alone.shape == (57, 2)
    assert (archive["predicted"] == np.array(["benign", "malignant"])[alone.argmax(1)]).all()


def test_classes_without_names_are_numbers(contractive, pixels_run, tmp_path):
    contractive("classify", pixels_run, "digits", "-o", tmp_path / "p.parquet")
    found = pd.read_parquet(tmp_path / "p.parquet")
    assert found["predicted"].dtype == np.int64
    numbers = found.filter(like="p_").to_numpy().argmax(1)
    assert (found["predicted"] == numbers).all() and list(found)[-10:] == [f"p_{i}" for i in range(10)]


def test_data_without_labels_are_classified_all_the_same(contractive, head_run, table, tmp_path):
    table.drop(columns="diagnosis").to_csv(tmp_path / "x.csv", index=False)
    said = contractive("classify", head_run, tmp_path / "x.csv", "-o", tmp_path / "p.csv")
    assert "569 rows" in said and "with a label" not in said
    with pytest.raises(ValueError, match=r"x\.csv: no example has a label that the head could tell"):
        contractive("evaluate", head_run, tmp_path / "x.csv")


def test_a_column_of_that_name_is_no_place_for_the_class(contractive, head_run, table, tmp_path):
    table.assign(predicted=1).to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(ValueError, match="column 'predicted' of the data has the name of what is written"):
        contractive("classify", head_run, tmp_path / "x.csv", "-o", tmp_path / "p.csv")


def test_the_error_on_other_data_is_that_of_the_examples_with_a_known_label(
    contractive, head_run, model, table, tmp_path, caplog
):
    other = table.assign(diagnosis=table["diagnosis"].where(table.index >= 100, "unheard of"))
    other.to_csv(tmp_path / "x.csv", index=False)
    said = contractive("evaluate", head_run, tmp_path / "x.csv")
    figures = dict(line.split() for line in said.splitlines())
    known = table[100:]
    wrong = model.classify(features(known)) != (known["diagnosis"] == "malignant").to_numpy()
    assert float(figures["test/error"]) == pytest.approx(100 * wrong.mean(), rel=1e-5)
    assert "100 of 569 examples have no label that the head could tell, and do not count" in caplog.text


@pytest.mark.parametrize("command", ["outliers", "sample", "reconstruct"])
def test_what_needs_a_decoder_is_refused(contractive, head_run, tmp_path, command):
    said = f"{command}: '.*' was trained to tell classes, without a decoder: name the run of an autoencoder"
    out = tmp_path / f"x{'.csv' if command == 'outliers' else '.npy'}"
    with pytest.raises(ValueError, match=said):
        contractive(command, head_run, "-o", out)


def test_what_has_no_head_or_no_code_is_refused(contractive, table_run, pixels_run, tmp_path):
    with pytest.raises(
        ValueError, match="is an autoencoder, without a head: contractive finetune trains one"
    ):
        contractive("classify", table_run, "-o", tmp_path / "p.csv")
    with pytest.raises(ValueError, match="is a classifier on the inputs, without an encoder"):
        contractive("encode", pixels_run, "-o", tmp_path / "c.csv")


def test_a_run_on_the_inputs_is_evaluated_on_other_data(contractive, pixels_run):
    assert "test/error" in contractive("evaluate", pixels_run, "digits")


def test_a_label_that_is_no_class_does_not_count(contractive, pixels_run, tmp_path, caplog):
    x, y = np.random.default_rng(0).random((20, 1, 8, 8), np.float32), np.arange(20)
    np.savez(tmp_path / "x.npz", x=x, y=y)
    assert "test/error" in contractive("evaluate", pixels_run, tmp_path / "x.npz")
    assert "10 of 20 examples have no label that the head could tell" in caplog.text
