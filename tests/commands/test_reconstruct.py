"""What the autoencoder makes of examples."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from contractive import load_autoencoder
from contractive.diagnostics.grids import png, reconstruction_grid

DIGITS = (load_digits().images / 16).astype(np.float32)[:20, None]


@pytest.fixture
def model(digits_run):
    return load_autoencoder(digits_run / "checkpoints" / "best.ckpt")


def test_arrays_have_the_shape_and_the_type_of_what_is_reconstructed(
    contractive, digits_run, model, tmp_path
):
    np.save(tmp_path / "floats.npy", DIGITS)
    np.save(tmp_path / "bytes.npy", (DIGITS * 255).astype(np.uint8))
    for name in ("floats", "bytes"):
        x = np.load(tmp_path / f"{name}.npy")
        contractive(
            "reconstruct", digits_run, tmp_path / f"{name}.npy", "-o", tmp_path / "out.npy", "--force"
        )
        found = np.load(tmp_path / "out.npy")
        assert found.dtype == x.dtype and found.shape == x.shape
        np.testing.assert_allclose(found, model.reconstruct(x), atol=1e-5)


def test_a_table_has_its_own_columns_in_their_own_units(contractive, table_run, tumours, table, tmp_path):
    contractive("reconstruct", table_run, tumours, "-o", tmp_path / "out.csv")
    found = pd.read_csv(tmp_path / "out.csv")
    features = [name for name in table if name not in ("patient", "diagnosis")]
    assert list(found) == ["row", "patient", "diagnosis", *features]
    model = load_autoencoder(table_run / "checkpoints" / "best.ckpt")
    np.testing.assert_allclose(found[features], model.reconstruct(table[features]), rtol=1e-3)
    off = (found[features].mean() - table[features].mean()) / table[features].std()
    assert off.abs().max() < 1


def test_pictures_of_a_folder_keep_their_names(contractive, digits_run, tmp_path):
    for name in ("a/one.bmp", "b/two.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        Image.fromarray((DIGITS[0, 0] * 255).astype(np.uint8)).save(tmp_path / "in" / name)
    contractive("reconstruct", digits_run, tmp_path / "in", "-o", tmp_path / "out")
    out = tmp_path / "out"
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.*")) == ["a/one.png", "b/two.png"]


def test_pictures_go_to_a_folder_or_to_one_picture_of_pairs(contractive, digits_run, model, tmp_path):
    np.save(tmp_path / "x.npy", DIGITS)
    contractive("reconstruct", digits_run, tmp_path / "x.npy", "-o", tmp_path / "out")
    assert len(list((tmp_path / "out").iterdir())) == 20
    drawn = np.asarray(Image.open(tmp_path / "out" / "0000003.png"))
    np.testing.assert_allclose(drawn / 255, model.reconstruct(DIGITS)[3, 0].clip(0, 1), atol=1 / 255)
    with pytest.raises(FileExistsError, match="add --force"):
        contractive("reconstruct", digits_run, tmp_path / "x.npy", "-o", tmp_path / "out")
    contractive("reconstruct", digits_run, tmp_path / "x.npy", "-o", tmp_path / "out", "--force")
    contractive("reconstruct", digits_run, tmp_path / "x.npy", "-n", 16, "-o", tmp_path / "pairs.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "pairs.png", "x.npy"]
    above_each_other = reconstruction_grid(torch.from_numpy(DIGITS[:16]), model(DIGITS[:16]))
    assert (tmp_path / "pairs.png").read_bytes() == png(above_each_other)
