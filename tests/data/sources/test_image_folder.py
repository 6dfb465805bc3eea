"""A user's own pictures; torchvision's reader of such folders says what is right."""

import re
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder

from contractive.data.sources.image_folder import ImageFolder as Pictures


@pytest.fixture
def picture(tmp_path):
    rng = np.random.default_rng(0)

    def save(name, height=5, width=7, channels=3):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (height, width, channels), np.uint8).squeeze()).save(path)
        return path

    return save


def read_image_folder(path, **options):
    return Pictures(path=path, **options).read()


def refused(folder, *words, error=ValueError, **options):
    """The source refuses a folder in one line that holds the words."""
    with pytest.raises(error) as told:
        read_image_folder(folder, **options)
    message = str(told.value)
    assert "\n" not in message
    assert all(str(word) in message for word in words), message


def test_pixels_labels_and_order_are_those_of_torchvision(tmp_path, picture, caplog):
    for name in ("dog/b.png", "dog/a.jpg", "dog/deeper/z.bmp", "ant/x.png", "ant/rgba.png", "cat/g.png"):
        picture(name, channels={"rgba": 4, "g": 1}.get(name.split("/")[1].split(".")[0], 3))
    (tmp_path / "cat" / ".hidden.png").write_bytes(b"")
    (tmp_path / ".git").mkdir()
    read = read_image_folder(tmp_path)["train"]
    assert not caplog.records
    (tmp_path / "cat" / ".hidden.png").unlink()
    (tmp_path / ".git").rmdir()
    expected = ImageFolder(tmp_path)
    assert read.x.dtype == torch.uint8 and read.x.shape == (6, 3, 5, 7)
    assert read.y.tolist() == expected.targets
    for x, (image, _) in zip(read.x, expected):
        np.testing.assert_array_equal(x.permute(1, 2, 0), np.asarray(image))


def test_a_flat_folder_has_no_labels_and_the_order_of_names(tmp_path, picture):
    paths = [picture(f"{name}.png") for name in ("b", "a", "c")]
    read = read_image_folder(str(tmp_path))["train"]
    assert read.y is None
    for x, path in zip(read.x, sorted(paths)):
        np.testing.assert_array_equal(x.permute(1, 2, 0), np.asarray(Image.open(path)))


def test_grey_is_the_luminance(tmp_path, picture):
    picture("a.png"), picture("b.png")
    coloured = read_image_folder(tmp_path)["train"].x.double()
    grey = read_image_folder(tmp_path, grey=True)["train"].x
    expected = torch.einsum("nchw,c->nhw", coloured, torch.tensor([0.299, 0.587, 0.114]).double())
    assert grey.shape == (2, 1, 5, 7)
    assert (grey[:, 0] - expected).abs().max() <= 0.51


@pytest.mark.parametrize(("size", "becomes"), [(4, (4, 4)), ([3, 6], (3, 6))])
def test_pictures_of_different_sizes_can_be_resized(tmp_path, size, becomes):
    for name, (height, width) in {"a": (8, 9), "b": (12, 5)}.items():
        Image.new("RGB", (width, height), (10, 20, 30)).save(tmp_path / f"{name}.png")
    x = read_image_folder(tmp_path, size=size)["train"].x
    assert x.shape == (2, 3, *becomes)
    assert x.equal(torch.tensor([10, 20, 30], dtype=torch.uint8).reshape(1, 3, 1, 1).expand_as(x))


def test_pictures_of_different_sizes_are_refused_without_a_size(tmp_path, picture):
    first, second = picture("a.png"), picture("b.png", 6, 7)
    refused(tmp_path, f"{second}: has 6×7 pixels, {first} has 5×7", "data.size=[height,width]")


def test_files_that_are_no_pictures_are_left_out_with_a_count_or_refused(tmp_path, picture, caplog):
    for name in ("a/1.png", "a/2.png", "b/1.png"):
        picture(name)
    (tmp_path / "a" / "notes.txt").write_text("no picture")
    cut = picture("b/2.jpg", 40, 40)
    cut.write_bytes(cut.read_bytes()[:-300])
    (tmp_path / "readme.md").write_text("no picture")
    picture("b/3.png")
    read = read_image_folder(tmp_path, size=5)["train"]
    (record,) = caplog.records
    assert ": 3 files are left out; the first, readme.md, " in record.message and "\n" not in record.message
    assert read.y.tolist() == [0, 0, 1, 1]
    refused(tmp_path, "readme.md", "data.strict=false", strict=True)
    (tmp_path / "readme.md").unlink()
    refused(tmp_path, "notes.txt", "no readable picture", strict=True)


def test_a_class_has_one_number_in_all_splits(tmp_path, picture):
    for name in ("train/b/1.png", "train/b/2.png", "train/c/1.png", "test/c/1.png", "test/a/1.png"):
        picture(name)
    splits = read_image_folder(tmp_path / "train", test_path=tmp_path / "test")
    assert splits["train"].y.tolist() == [1, 1, 2] and splits["test"].y.tolist() == [0, 2]


def test_splits_have_to_have_one_size(tmp_path, picture):
    for name, height in {"train/1.png": 5, "train/2.png": 5, "val/1.png": 6}.items():
        picture(name, height)
    with pytest.raises(ValueError, match=r"val: .*\(3, 6, 7\) uint8.*\(3, 5, 7\) uint8"):
        read_image_folder(tmp_path / "train", val_path=tmp_path / "val")


def test_folders_without_enough_pictures_are_refused(tmp_path, picture):
    refused(tmp_path, tmp_path, "holds 0 of the at least 2 examples")
    (tmp_path / "class").mkdir()
    refused(tmp_path, tmp_path, "holds 0 of the at least 2 examples")
    file = picture("class/a.png")
    refused(tmp_path, tmp_path, "holds 1 of the at least 2 examples")
    refused(file, "is a file", error=NotADirectoryError)
    refused(tmp_path / "none", "path: there is nothing at", error=FileNotFoundError)
    with pytest.raises(ValueError, match="path must name the data"):
        read_image_folder(None)


def test_pictures_beside_classes_are_refused(tmp_path, picture):
    picture("a/1.png"), picture("b/1.png"), picture("1.png")
    refused(tmp_path, tmp_path, "1.png", "move")


def test_pixels_of_more_than_eight_bits_are_refused_rather_than_clipped(tmp_path):
    for name in ("a.png", "b.png"):
        Image.fromarray(np.full((4, 4), 1000, np.uint16)).save(tmp_path / name)
    refused(tmp_path, "a.png", "8 bits")


@pytest.mark.parametrize("size", [0, -3, [3], [3, 4, 5], [3, 0], 2.5, "big"])
def test_a_size_is_one_number_or_two(tmp_path, size):
    with pytest.raises(ValueError, match=re.escape("size must be")):
        read_image_folder(tmp_path, size=size)


def test_a_file_is_read_as_a_picture_of_a_listed_format_only(tmp_path, picture, monkeypatch):
    picture("a.png"), picture("b.png")
    Image.new("RGB", (7, 5)).save(tmp_path / "c.png", "EPS")
    monkeypatch.setattr(
        "PIL.EpsImagePlugin.Ghostscript", lambda *a, **k: pytest.fail("a program was started")
    )
    refused(tmp_path, "c.png", "no readable picture", strict=True)


def test_memory_is_bounded_before_anything_is_decoded(tmp_path, picture, monkeypatch):
    first = picture("a.png", 200, 300)
    picture("b.png", 200, 300)
    both = 2 * 200 * 300 * 3 / 2**20
    assert len(read_image_folder(tmp_path, in_memory_mib=1.01 * both)["train"]) == 2
    refused(tmp_path, "2 pictures of 200×300 pixels take 0.3 MiB", "in_memory_mib=0.3", in_memory_mib=0.3)
    monkeypatch.setattr(Image.Image, "load", lambda image: pytest.fail("a picture was decoded"))
    refused(tmp_path, f"{first}: its 200×300 pixels take 0.2 MiB", "=0.1", in_memory_mib=0.1)
    refused(tmp_path, "size", "100000×100000 pixels takes 28,610.2 MiB", "in_memory_mib=1024", size=100_000)
    bomb = tmp_path / "a.png"
    content = bytearray(bomb.read_bytes())
    content[16:24] = struct.pack(">II", 30_000, 30_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    bomb.write_bytes(content)
    refused(tmp_path, "a.png", "900000000 pixels")


def test_names_are_shown_without_what_moves_a_cursor(tmp_path, picture, caplog):
    picture("a.png"), picture("b.png"), (tmp_path / "c\x1b[2J\n.png").write_bytes(b"none")
    read_image_folder(tmp_path)
    refused(tmp_path, r"c\x1b[2J\n.png: is no readable", strict=True)
    picture("d\x1b[2J.png", 9)
    refused(tmp_path, r"d\x1b[2J.png: has 9×7 pixels")
    assert len(caplog.records) == 1
    assert all(record.message.isprintable() for record in caplog.records)
