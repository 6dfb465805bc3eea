"""Every source trains from its file through train.py, and what it learnt comes back from the checkpoint."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits, load_iris

from contractive import ContractiveAutoencoder

SMALL = ("model.hidden=[8]", "trainer.max_epochs=2", "data.batch_size=32")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Real data in every kind of file."""
    folder = tmp_path_factory.mktemp("files")
    digits, iris = load_digits(), load_iris()
    x = digits.data[:300].astype("f4")
    np.save(folder / "x.npy", x)
    np.save(folder / "bytes.npy", digits.images[:300].astype("u1") * 15)
    np.savez(folder / "x.npz", x=x, y=digits.target[:300])
    torch.save({"x": torch.from_numpy(x), "y": torch.from_numpy(digits.target[:300])}, folder / "x.pt")
    table = pa.table(
        {name.replace(" (cm)", ""): column for name, column in zip(iris.feature_names, iris.data.T)}
        | {"species": iris.target_names[iris.target]}
    )
    pa.csv.write_csv(table, folder / "iris.csv")
    pa.parquet.write_table(table, folder / "iris.parquet")
    for number, (image, label) in enumerate(zip(digits.images[:100], digits.target[:100] % 2)):
        (folder / "pictures" / str(label)).mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray((image * 15).astype("u1"))
        picture.save(folder / "pictures" / str(label) / f"{number}.png")
    return folder


@pytest.mark.parametrize(
    "settings",
    [
        ["data=array", "data.path={}/x.npy"],
        ["data=array", "data.path={}/x.npy", "data.in_memory_mib=0"],  # stays in its file
        ["data=array", "data.path={}/bytes.npy", "model.reconstruction=cross_entropy"],
        ["data=array", "data.path={}/bytes.npy", "data.in_memory_mib=0", "data.scaling=standard"],
        ["data=array", "data.path={}/x.npz", "data.scaling=unit", "model.reconstruction=cross_entropy"],
        ["data=array", "data.path={}/x.pt", "data.test_path={}/x.npz"],
        ["data=table", "data.path={}/iris.csv", "data.label=species"],
        ["data=table", "data.path={}/iris.parquet", "data.drop=[species]", "data.scaling=unit"],
        ["data=image_folder", "data.path={}/pictures", "data.grey=true"],
    ],
    ids=lambda settings: "-".join(s.split("/")[-1].split("=")[-1] for s in settings),
)
def test_a_source_trains_from_its_file(train, files, settings):
    run = train(*SMALL, *(setting.format(files) for setting in settings), "callbacks=default")
    figures = json.loads((run / "metrics.json").read_text())
    assert figures["epochs"] == 2 and figures["test/loss"] > 0
    assert (run / "checkpoints" / "best.ckpt").is_file()


def test_the_scaling_comes_back_with_the_model(train, files):
    run = train(*SMALL, "data=table", f"data.path={files}/iris.csv", "data.label=species")
    model = ContractiveAutoencoder.load_from_checkpoint(run / "checkpoints" / "best.ckpt")
    x = torch.from_numpy(load_iris().data).float()
    scaled = model.scale(x)
    assert scaled.mean().abs() < 0.1 and abs(scaled.std() - 1) < 0.1
    with torch.no_grad():
        torch.testing.assert_close(model.encode(x), model.encoder(scaled))
        # The reconstruction is in centimetres: nearer to the flowers than their scaled selves are.
        assert (model(x) - x).abs().mean() < (scaled - x).abs().mean()


def test_a_model_of_another_input_shape_is_refused(train, files):
    run = train(*SMALL, "data=table", f"data.path={files}/iris.csv", "data.label=species", to="iris")
    with pytest.raises(ValueError, match=r"is of another model: input_shape=\[4\] \(here \[64\]\)"):
        train(
            *SMALL,
            "data=array",
            f"data.path={files}/x.npy",
            f"ckpt_path={run}/checkpoints/last.ckpt",
            "trainer.max_epochs=3",
            to="array",
        )


@pytest.mark.parametrize("settings", [["data=array"], ["data=array", "data.path=nowhere.npy"]])
def test_a_file_that_is_not_there_is_told_before_anything_is_written(train, tmp_path, settings):
    with pytest.raises(SystemExit, match=r"error: data\.path"):
        train(*settings)
    assert not (tmp_path / "run").exists()
