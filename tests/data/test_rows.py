"""Other data than those of the training, in pieces; what reads all at once says what is right."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from PIL import Image

from contractive.data.description import Description
from contractive.data.labels import UNKNOWN
from contractive.data.rows import open_rows
from contractive.training.datamodule import DataModule

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "a": RNG.normal(size=500),
        "b": RNG.integers(0, 9, 500),
        "open": RNG.integers(0, 2, 500).astype(bool),
        "same": 1.0,
        "kind": RNG.choice(["ant", "bee", "cat"], 500),
        "note": [f'said "{i}",\nand more' for i in range(500)],
    }
)
NUMBERS = ["a", "b", "open"]


def describe(source, **options) -> Description:
    """What the checkpoint of a model on such data says, through plain containers."""
    data = DataModule(source, **options)
    data.setup("fit")
    return Description.of(data.description.plain())


def collected(path, description, most=64):
    """All pieces in one: examples, labels, places and what lies beside them as a data frame."""
    rows = open_rows(path, description, most)
    pieces = list(rows.pieces())
    assert all(0 < len(piece) <= most for piece in pieces) and len(pieces) > 1
    assert all(piece.beside.schema.equals(rows.beside) for piece in pieces)
    assert [len(piece) for piece in rows.pieces()] == [len(piece) for piece in pieces]  # once more
    y = None if pieces[0].y is None else torch.cat([piece.y for piece in pieces])
    beside = pa.Table.from_batches([piece.beside for piece in pieces]).to_pandas()
    return torch.cat([piece.x for piece in pieces]), y, torch.cat([piece.rows for piece in pieces]), beside


@pytest.fixture(params=[".csv", ".parquet"])
def save(tmp_path, request):
    def write(frame, name="t"):
        path = tmp_path / f"{name}{request.param}"
        frame.to_csv(path, index=False) if request.param == ".csv" else frame.to_parquet(path)
        return path

    return write


@pytest.fixture
def trained(save):
    """The description of the table that a model was trained on."""
    return describe("table", path=str(save(FRAME)), label="kind", drop=["note"], drop_constant=True)


def test_a_table_is_described(trained):
    assert (
        trained.columns == NUMBERS and trained.truths == ["open"] and trained.classes == ["ant", "bee", "cat"]
    )
    assert trained.label == "kind" and trained.dropped == ["note", "same"] and trained.shape == [3]


def test_columns_are_matched_by_name_and_others_lie_beside(save, trained):
    other = FRAME.assign(id=range(500), kind=FRAME["kind"].replace("cat", "dog"))
    path = save(other[["note", "open", "id", "kind", "b", "a"]], "other")
    assert open_rows(path, trained).count == 500 and open_rows(path, trained).surplus == ["id"]
    x, y, rows, beside = collected(path, trained)
    np.testing.assert_array_equal(x, FRAME[NUMBERS].to_numpy(np.float32))
    assert y.tolist() == [{"ant": 0, "bee": 1, "dog": UNKNOWN}[kind] for kind in other["kind"]]
    assert rows.tolist() == list(range(500))
    pd.testing.assert_frame_equal(beside, other[["note", "id", "kind"]])


def test_a_column_that_lacks_is_named(save, trained):
    with pytest.raises(ValueError, match=r"other\.\w+: lacks a of the 3 columns .*; did you mean aa\?"):
        open_rows(save(FRAME.rename(columns={"a": "aa"}), "other"), trained)
    assert collected(save(FRAME[NUMBERS], "other"), trained)[1] is None
    with pytest.raises(ValueError, match="other"):
        collected(save(FRAME.assign(a="text"), "other"), trained)


def test_missing_values_are_met_as_in_training(save, caplog):
    gaps = FRAME[["a", "b"]].astype(float).mask(RNG.random((500, 2)) < 0.01)
    lack = gaps.isna().any(axis=1).to_numpy()
    path = save(gaps, "gaps")
    means = describe("table", path=str(path), missing="mean")
    x, _, rows, _ = collected(path, means)
    expected = gaps.fillna(dict(zip(["a", "b"], means.fill))).to_numpy(np.float32)
    np.testing.assert_array_equal(x, expected)
    assert f"{lack.sum()} of 500 rows lack values and are completed" in caplog.records[-1].message
    x, _, rows, _ = collected(path, describe("table", path=str(path), missing="drop"))
    np.testing.assert_array_equal(x, gaps[~lack].to_numpy(np.float32))
    assert rows.tolist() == np.flatnonzero(~lack).tolist()
    with pytest.raises(ValueError, match=rf"first in row {lack.argmax()}.*trained without data.missing"):
        collected(path, describe("table", path=str(save(FRAME[["a", "b"]]))))


@pytest.mark.parametrize("large", [False, True])
def test_arrays_come_in_order_whether_they_stay_in_their_file(tmp_path, monkeypatch, large):
    if large:
        monkeypatch.setattr("contractive.data.rows.default_of", lambda cls, name: 0)
    x = RNG.normal(size=(300, 4))
    np.save(tmp_path / "x.npy", x)
    description = describe("array", path=str(tmp_path / "x.npy"))
    read, y, rows, beside = collected(tmp_path / "x.npy", description)
    np.testing.assert_array_equal(read, x.astype(np.float32))
    assert y is None and rows.tolist() == list(range(300)) and not len(beside.columns)
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(300) % 7)
    read, y, _, beside = collected(tmp_path / "x.npz", description)
    assert y.tolist() == beside["label"].tolist() == (np.arange(300) % 7).tolist()
    np.save(tmp_path / "wide.npy", x[:, :3])
    with pytest.raises(ValueError, match=r"wide\.npy: an example is \(3,\), .* \(4,\)"):
        open_rows(tmp_path / "wide.npy", description)
    (tmp_path / "x.csv").write_text("a,b,c,d\n1,2,3,4\n")
    with pytest.raises(ValueError, match=r"is a table.* no names"):
        open_rows(tmp_path / "x.csv", description)


def test_bytes_are_not_mixed_up_with_numbers(tmp_path):
    pixels = RNG.integers(0, 256, (300, 5, 5), np.uint8)
    np.save(tmp_path / "bytes.npy", pixels)
    np.save(tmp_path / "floats.npy", pixels[:, None].astype(np.float32))
    np.save(tmp_path / "unit.npy", pixels[:, None].astype(np.float32) / 255)
    of_bytes = describe("array", path=str(tmp_path / "bytes.npy"))
    with pytest.raises(ValueError, match=r"numbers from 0 to 255; .* divide by 255"):
        collected(tmp_path / "floats.npy", of_bytes)
    x = collected(tmp_path / "unit.npy", of_bytes)[0]
    torch.testing.assert_close(255 * x, torch.from_numpy(pixels)[:, None].float())
    with pytest.raises(ValueError, match=r"bytes, which become \[0, 1\]; .* from 0 to 255"):
        collected(tmp_path / "bytes.npy", describe("array", path=str(tmp_path / "floats.npy")))
    in_unit = describe("array", path=str(tmp_path / "unit.npy"))
    assert collected(tmp_path / "bytes.npy", in_unit)[0].equal(torch.from_numpy(pixels)[:, None])


def test_pictures_get_the_size_and_colours_of_the_training(tmp_path, caplog):
    for i in range(6):
        for name, size in {"train": (8, 8), "other": (8, 8) if i % 2 else (16, 12)}.items():
            file = tmp_path / name / ("cat" if i < 4 else "dog" if name == "other" else "ant") / f"{i}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(RNG.integers(0, 256, (*size, 3), np.uint8)).save(file)
    description = describe("image_folder", path=str(tmp_path / "train"), grey=True)
    assert description.shape == [1, 8, 8] and description.classes == ["ant", "cat"]
    (tmp_path / "other" / "cat" / "note.png").write_text("no picture")
    x, y, rows, beside = collected(tmp_path / "other", description, most=2)
    assert y.tolist() == [1, 1, 1, 1, UNKNOWN, UNKNOWN] and rows.tolist() == [0, 1, 2, 3, 5, 6]
    assert beside["file"].tolist() == [f"cat/{i}.png" for i in range(4)] + ["dog/4.png", "dog/5.png"]
    assert beside["label"].tolist() == ["cat"] * 4 + ["dog"] * 2
    for picture, file in zip(x, beside["file"]):
        grey = Image.open(tmp_path / "other" / file).convert("L").resize((8, 8), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(picture[0], grey)
    told = [record.message for record in caplog.records[-2:]]
    assert "1 files are left out; the first, note.png" in told[0] and "3 pictures of other sizes" in told[1]
    (one,) = open_rows(tmp_path / "other" / "cat" / "1.png", description).pieces()
    assert one.x.equal(x[1:2]) and one.y is None
    with pytest.raises(ValueError, match=r"holds pictures; .* \(4,\)"):
        open_rows(tmp_path / "other", describe(RNG.normal(size=(50, 4))))


def test_a_description_is_checked_when_it_comes_back():
    plain = describe("digits").plain()
    assert Description.of(plain).shape == [1, 8, 8] and plain["low"] == 0 and plain["high"] == 1
    for wrong in ({**plain, "shape": "8x8"}, {**plain, "columns": [1]}, {**plain, "more": 1}, {}, None, []):
        with pytest.raises(ValueError, match=r"^data"):
            Description.of(wrong)
