"""Codes of data of every kind, against those that the loaded model gives."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from contractive import DataModule, load_autoencoder

DIGITS = (load_digits().images / 16).astype(np.float32)[:, None]


@pytest.fixture(scope="module")
def model(digits_run):
    return load_autoencoder(digits_run / "checkpoints" / "best.ckpt")


def codes_in(path):
    if path.suffix == ".npy":
        return np.load(path)
    if path.suffix == ".npz":
        return np.load(path)["codes"]
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    return table.filter(regex=r"^code\d+$").to_numpy()


@pytest.mark.parametrize("kind", [".npy", ".npz", ".parquet", ".csv"])
def test_codes_are_those_of_the_model_in_every_kind_of_file(contractive, digits_run, model, tmp_path, kind):
    np.savez(tmp_path / "x.npz", x=DIGITS[:50], y=load_digits().target[:50])
    out = tmp_path / f"codes{kind}"
    said = contractive("encode", digits_run, tmp_path / "x.npz", "-o", out)
    assert said.startswith(f"Written to {out}: 50 rows, codes of 256 numbers")
    np.testing.assert_allclose(codes_in(out), model.encode(DIGITS[:50]), atol=1e-6)
    assert sorted(tmp_path.iterdir()) == sorted([out, tmp_path / "x.npz"])
    if kind == ".npz":
        assert (np.load(out)["label"] == load_digits().target[:50]).all()
        assert (np.load(out)["row"] == np.arange(50)).all()


def test_a_table_is_matched_by_name_and_its_other_columns_stand_beside_the_codes(
    contractive, table_run, table, tmp_path, caplog
):
    model = load_autoencoder(table_run / "checkpoints" / "best.ckpt")
    features = [name for name in table if name not in ("patient", "diagnosis")]
    other = table[:30][["patient", *reversed(features), "diagnosis"]].assign(doctor="x")
    other.to_parquet(tmp_path / "other.parquet")
    contractive("encode", table_run, tmp_path / "other.parquet", "-o", tmp_path / "codes.parquet")
    codes = pd.read_parquet(tmp_path / "codes.parquet")
    assert list(codes)[:5] == ["row", "patient", "diagnosis", "doctor", "code0"]
    assert (codes["patient"] == table["patient"][:30]).all() and list(codes["row"]) == list(range(30))
    expected = model.encode(table[features][:30].to_numpy(np.float32))
    np.testing.assert_allclose(codes.filter(like="code"), expected, atol=1e-5)
    assert "the model was trained without doctor: passed on" in caplog.text


def test_a_column_that_is_missing_is_named(contractive, table_run, table, tmp_path):
    table.drop(columns="mean area").to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(ValueError, match=r"x\.csv: lacks mean area of the 30 columns"):
        contractive("encode", table_run, tmp_path / "x.csv", "-o", tmp_path / "codes.npy")
    assert not (tmp_path / "codes.npy").exists()


def test_data_sets_with_names_and_the_own_test_split(contractive, digits_run, model, tmp_path):
    contractive("encode", digits_run, "digits", "-o", tmp_path / "all.npy")
    every = np.load(tmp_path / "all.npy")
    np.testing.assert_allclose(every, model.encode(DIGITS), atol=1e-6)
    contractive("encode", digits_run, "-o", tmp_path / "test.parquet")
    test = pd.read_parquet(tmp_path / "test.parquet")
    assert len(test) == 180 and set(test["split"]) == {"test"} and set(test["label"]) == set(range(10))
    # Each is a digit of its class.
    found = torch.tensor(codes_in(tmp_path / "test.parquet"))
    distances = torch.cdist(found, torch.from_numpy(every), compute_mode="donot_use_mm_for_euclid_dist")
    assert distances.min(1).values.max() < 1e-5
    assert (load_digits().target[distances.argmin(1).numpy()] == test["label"]).all()


@pytest.mark.usefixtures("in_pieces")
def test_the_own_test_split_is_that_of_the_runs_seed_with_its_labels_and_places(
    contractive, table_run, tumours, tmp_path
):
    contractive("encode", table_run, "-o", tmp_path / "test.parquet")
    codes = pd.read_parquet(tmp_path / "test.parquet")
    data = DataModule("table", seed=3, path=str(tumours), label="diagnosis", drop=["patient"])
    data.setup()
    x, y = data.split("test").x, data.split("test").y
    assert list(codes["row"]) == list(range(len(x))) and len(x) > 32
    assert list(codes["label"]) == [["benign", "malignant"][number] for number in y]
    model = load_autoencoder(table_run / "checkpoints" / "best.ckpt")
    np.testing.assert_allclose(codes.filter(regex=r"^code\d"), model.encode(x.numpy()), atol=1e-5)


def test_pictures_have_their_files_beside_them(contractive, digits_run, model, tmp_path):
    pictures = (DIGITS[:4, 0] * 255).round().astype(np.uint8)
    for i, picture in enumerate(pictures):
        (tmp_path / "in" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(tmp_path / "in" / "ab"[i % 2] / f"{i}.png")
    contractive("encode", digits_run, tmp_path / "in", "-o", tmp_path / "codes.parquet")
    codes = pd.read_parquet(tmp_path / "codes.parquet")
    assert list(codes["file"]) == ["a/0.png", "a/2.png", "b/1.png", "b/3.png"]
    assert list(codes["label"]) == ["a", "a", "b", "b"]
    expected = model.encode(pictures[[0, 2, 1, 3]][:, None])
    np.testing.assert_allclose(codes.filter(regex="code"), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.npy", "-o", "c.npy"], "nowhere.npy: there is no such file"),
        (["digits", "-o", "c.txt"], r"-o c\.txt: must end in \.parquet or \.csv or \.npy or \.npz"),
        (["digits", "-o", "there.npy"], r"-o there\.npy: is there already: name another, or add --force"),
        (["digits", "-o", "c.npy", "--root", "x"], "root"),
        (["digits", "-o", "c.npy", "--device", "gpu9"], "--device gpu9: cannot be used"),
    ],
)
def test_a_mistake_is_told_before_anything_is_written(
    contractive, digits_run, tmp_path, monkeypatch, arguments, said
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.npy").write_text("mine")
    with pytest.raises((ValueError, OSError), match=said):
        contractive("encode", digits_run, *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["there.npy"]
    assert (tmp_path / "there.npy").read_text() == "mine"
