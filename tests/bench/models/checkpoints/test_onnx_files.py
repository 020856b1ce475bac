"""Weights come out of ONNX under the names that their layers had, and nothing a file says is believed unchecked."""

from __future__ import annotations

import struct

import pytest
import torch

from hourglass.bench.models.checkpoints import onnx_files, read_checkpoint
from hourglass.registry import UserError

MATRIX = torch.arange(6, dtype=torch.float32).view(2, 3)


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def initializer(name: str, value: torch.Tensor, *more: bytes, kind: int = 1, content: bytes | None = None) -> bytes:
    raw = value.numpy().tobytes() if content is None else content
    shape = b"".join(field(1, size) for size in value.shape)
    return field(5, shape + field(2, kind) + field(8, name) + field(9, raw) + b"".join(more))


def node(name: str, *inputs: str) -> bytes:
    return field(1, b"".join(field(1, each) for each in inputs) + field(3, name) + field(4, "Any"))


@pytest.fixture
def read(tmp_path):
    def read(*graph: bytes):
        path = tmp_path / "model.onnx"
        path.write_bytes(field(1, 7) + field(2, "somebody") + field(7, b"".join(graph)))
        return read_checkpoint(path)

    return read


def test_weights_keep_their_names_and_made_up_ones_get_those_of_their_layers(read):
    weights = read(
        node("/a/fc/MatMul", "x", "onnx::MatMul_7"),
        node("/a/Concat", "onnx::Concat_8", "y"),
        node("/b/Add", "onnx::Concat_8"),
        initializer("a.fc.bias", MATRIX[0]),
        initializer("onnx::MatMul_7", MATRIX),
        initializer("onnx::Concat_8", MATRIX.half(), kind=10),
        initializer("scalar", torch.tensor(3, dtype=torch.int64), kind=7),
    )
    assert list(weights) == ["a.fc.bias", "a.fc.weight", "a.Concat", "scalar"]
    assert torch.equal(weights["a.fc.weight"], MATRIX.t())
    assert torch.equal(weights["a.Concat"], MATRIX.half())
    assert weights["scalar"] == 3


def test_packed_numbers_and_shapes_are_read_too(read):
    packed = struct.pack("<6f", *MATRIX.flatten().tolist())
    tensor = field(1, varint(2) + varint(3)) + field(2, 1) + field(4, packed) + field(8, "w")
    assert torch.equal(read(field(5, tensor))["w"], MATRIX)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (initializer("w", MATRIX, content=b"\0" * 20), r"'w' has 20 bytes for \[2, 3\] numbers"),
        (initializer("w", MATRIX, field(1, 2**62)), "'w' has 24 bytes for"),
        (initializer("w", MATRIX, field(14, 1)), "keeps weights in other files"),
        (initializer("w", MATRIX, field(13, field(1, "location") + field(2, "/etc/passwd"))), "in other files"),
        (initializer("w", MATRIX, kind=8), "'w' is of type 8"),
        (initializer("w", MATRIX) * 2, "two weights 'w'"),
        (field(15, b""), "sparse"),
        (initializer("w", MATRIX)[:-3], "it ends within a field"),
        (b"\x2a\xff", "it ends within a number"),
        (b"\xff" * 11, "more than 64 bits"),
        (varint(5 << 3 | 3), "a field of kind 3"),
        (field(5, 9), "a number in place of a message"),
        (field(5, field(1, 2) * 99 + field(2, 1) + field(8, "w")), "'w' has 0 bytes"),
    ],
)
def test_files_that_lie_are_named(read, graph, message):
    with pytest.raises(UserError, match=rf"model.onnx: damaged or incomplete \(.*{message}.*\); get it anew"):
        read(graph)


def test_a_file_beyond_the_limit_is_not_read(read, monkeypatch):
    monkeypatch.setattr(onnx_files, "LARGEST", 10)
    with pytest.raises(UserError, match="more than 10 bytes"):
        read(initializer("w", MATRIX))
