"""Images as people have them: of 1 to 16 bits, turned by their EXIF data, huge, hostile, or no images at all."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from hourglass.bench.datasets import rasters
from hourglass.bench.datasets.folders import RasterDataset
from hourglass.bench.datasets.rasters import read_image, read_pixels, read_semantic, write_pixels
from hourglass.registry import UserError

ORIENTATION = 274


def grey_png(bits: int, rows: Sequence[Sequence[int]]) -> bytes:
    """A PNG of one channel, packed by hand."""
    packed = b""
    for row in rows:
        text = "".join(f"{value:0{bits}b}" for value in row)
        packed += b"\0" + int(text.ljust(-len(text) % 8 + len(text), "0"), 2).to_bytes(-(-len(text) // 8), "big")
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), bits, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(packed)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_labels_are_what_the_file_stores_whatever_its_bits(tmp_path: Path, bits: int) -> None:
    values = [0, 1, 1, 0] if bits == 1 else [0, 1, 2, 3]
    (tmp_path / "a.png").write_bytes(grey_png(bits, [values, values[::-1]]))
    assert read_semantic(tmp_path / "a.png", range(4)).tolist() == [values, values[::-1]]


def test_palette_labels_are_their_indices(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 3, 2]], np.uint8)).convert("P")
    image.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0, 7, 7, 7])
    image.save(tmp_path / "a.png", bits=2)
    stored = read_pixels(tmp_path / "a.png")
    assert read_semantic(tmp_path / "a.png", range(4)).tolist() == stored.tolist()
    assert stored.max() < 4


def test_images_of_16_bits_keep_the_upper_8(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(grey_png(16, [[0, 255, 256, 0x8000, 0xFFFF]]))
    assert read_image(tmp_path / "a.png").tolist() == [[[0, 0, 1, 128, 255]]] * 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_stand_upright(tmp_path: Path, orientation: int) -> None:
    upright = np.zeros((24, 40, 3), np.uint8)
    upright[:8, :8] = 255  # white in the upper left corner alone
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: np.rot90(upright.transpose(1, 0, 2), 2),
        8: np.rot90(upright, 3),
    }[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.jpg", exif=exif, quality=95)
    image = read_image(tmp_path / "a.jpg").float()
    assert image.shape == (3, 24, 40)
    assert (image - torch.from_numpy(upright.transpose(2, 0, 1).copy())).abs().mean() < 3


def test_annotations_of_the_stored_image_are_put_on_the_stored_image(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.new("RGB", (40, 24)).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg", (40, 24)).shape == (3, 40, 24), "made for the upright one"
    assert read_image(tmp_path / "a.jpg", (24, 40)).shape == (3, 24, 40), "made for the stored one"
    with pytest.raises(UserError, match="is 24 x 40 pixels, but its annotations are for 40 x 40; restore both"):
        read_image(tmp_path / "a.jpg", (40, 40))


def refused(path: Path, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read_image(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert "delete" not in str(caught.value), "it may be the only one"


def test_other_formats_are_not_opened(tmp_path: Path) -> None:
    """Least of all those for which Pillow starts a program."""
    (tmp_path / "a.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    Image.new("RGB", (2, 2)).save(tmp_path / "b.png", format="TIFF")
    (tmp_path / "c.jpg").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    for name in ("a.jpg", "b.png", "c.jpg"):
        refused(tmp_path / name, "not a readable image: none of PNG, JPEG, WEBP, BMP; convert or restore it")


def test_huge_images_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for width in (8001, 60_000, 2**31 - 1):
        header = struct.pack(">IIBBBBB", width, 8000, 8, 0, 0, 0, 0)
        whole = grey_png(8, [[0]])
        path.write_bytes(whole[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + whole[33:])
        refused(path, "has more than 64 million pixels; make it smaller")


def test_damaged_images_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "x" * (80 << 20), zip=True)
    Image.new("RGB", (2, 2)).save(path, pnginfo=text)
    refused(path, "not a readable image")
    Image.new("RGB", (200, 200), "red").save(path)
    whole = path.read_bytes()
    for length in range(0, len(whole) - 60, 7):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError):
            read_pixels(path)
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "fifo.png")
    for name in ("folder.png", "fifo.png"):
        refused(tmp_path / name, "is no file, but an image is expected")
    refused(tmp_path / "gone.png", "no such file")


def test_an_image_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"a\.png: cannot be written: .*; make its folder writable"):
        write_pixels(tmp_path / "file" / "a.png", np.zeros((2, 2), np.uint8))


def folder_of(root: Path, *names: str) -> RasterDataset:
    for name in names:
        (root / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (3, 2)).save(root / "images" / name, format="PNG")
        write_pixels(root / "labels" / f"{Path(name).stem}.png", np.zeros((2, 3), np.uint8))
    return RasterDataset.matching("mine", "val", (), root, lambda path: read_semantic(path, [0]), "images", "labels")


def test_only_images_are_taken_for_images(tmp_path: Path) -> None:
    (tmp_path / "images" / "folder.jpg").mkdir(parents=True)
    for name in ("._a.png", ".hidden.jpg", "notes.txt", "Thumbs.db"):
        (tmp_path / "images" / name).write_bytes(b"\0\5\x16\7")
    data = folder_of(tmp_path, "a.png", "b.JPG")
    assert [data[index].name for index in range(len(data))] == ["a", "b"]


def test_two_images_of_one_name_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.png: would share the name 'a' with .*a\.jpg; rename one of them"):
        folder_of(tmp_path, "a.jpg", "a.png")


def test_images_and_labels_of_different_sizes_are_named(tmp_path: Path) -> None:
    data = folder_of(tmp_path, "a.png")
    write_pixels(tmp_path / "labels" / "a.png", np.zeros((3, 3), np.uint8))
    with pytest.raises(UserError, match=r"a\.png: is 3 x 2 pixels, but its annotations are for 3 x 3"):
        data[0]


def test_the_limit_is_that_of_what_is_opened() -> None:
    assert rasters.MOST_PIXELS < Image.MAX_IMAGE_PIXELS
