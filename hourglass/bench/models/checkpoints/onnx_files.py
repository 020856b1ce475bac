"""Weights in files of ONNX, read without its library, of which nothing else is needed.

The format is that of protocol buffers (protobuf.dev/programming-guides/encoding), with the field numbers of onnx.proto.
Every length is checked against the bytes there are; weights in files of their own are refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

BEGIN = b"\x08"
"""The first field, of the version of the format."""
LARGEST = 2 << 30
"""Bytes: what protocol buffers allow."""
MOST_DIMENSIONS = 8
KINDS = {1: torch.float32, 7: torch.int64, 10: torch.float16, 11: torch.float64, 16: torch.bfloat16}
"""By TensorProto.DataType; weights have no others."""
ANONYMOUS = "onnx::"
"""How names begin that torch's exporter makes up."""

Value = int | memoryview


class _Tensor(NamedTuple):
    name: str
    value: Tensor


class _Node(NamedTuple):
    name: str
    inputs: list[str]


def read_onnx(path: Path) -> dict[str, Tensor]:
    """The initializers of a model by name.

    One whose name was made up by the exporter is called after the first node that takes it: ``/a/fc/MatMul`` gives
    ``a.fc.weight``, the other way round as in torch's linear layer, and ``/a/Concat`` gives ``a.Concat``.

    Raises:
        ValueError: The file is damaged, too large, or keeps its weights elsewhere.
    """
    if path.stat().st_size > LARGEST:
        raise ValueError(f"it has more than {LARGEST} bytes")
    graph = _last(memoryview(bytearray(path.read_bytes())), 7)
    tensors, nodes = [], []
    for number, value in _fields(graph):
        if number == 5:
            tensors.append(_tensor(_bytes(value)))
        elif number == 1:
            nodes.append(_node(_bytes(value)))
        elif number == 15:
            raise ValueError("it has sparse weights")
    users = {name: node.name for node in reversed(nodes) for name in node.inputs}
    weights: dict[str, Tensor] = {}
    for name, tensor in tensors:
        key, weight = _called(name, tensor, users.get(name, ""))
        if key in weights:
            raise ValueError(f"it has two weights '{key}'")
        weights[key] = weight
    return weights


def _called(name: str, value: Tensor, user: str) -> tuple[str, Tensor]:
    if not name.startswith(ANONYMOUS) or not user:
        return name, value
    module, _, operation = user.strip("/").replace("/", ".").rpartition(".")
    if operation.startswith("MatMul") and value.ndim == 2:
        return f"{module}.weight", value.t().contiguous()
    return f"{module}.{operation}", value


def _node(message: memoryview) -> _Node:
    inputs, name = [], ""
    for number, value in _fields(message):
        if number == 1:
            inputs.append(_text(value))
        elif number == 3:
            name = _text(value)
    return _Node(name, inputs)


def _tensor(message: memoryview) -> _Tensor:
    shape: list[int] = []
    name, kind, content = "", 0, memoryview(b"")
    for number, value in _fields(message):
        if number == 1:
            shape += [value] if isinstance(value, int) else _varints(value)
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number == 8:
            name = _text(value)
        elif number == 9 or (number == 4 and not isinstance(value, int)):  # raw_data, or packed float_data
            content = _bytes(value)
        elif number == 13 or (number == 14 and value):
            raise ValueError("it keeps weights in other files")
    if kind not in KINDS:
        raise ValueError(f"'{name}' is of type {kind}, which weights do not have")
    if len(shape) > MOST_DIMENSIONS or math.prod(shape) * KINDS[kind].itemsize != len(content):
        raise ValueError(f"'{name}' has {len(content)} bytes for {shape} numbers")
    flat = torch.frombuffer(content, dtype=torch.uint8) if content else torch.empty(0, dtype=torch.uint8)
    return _Tensor(name, flat.clone().view(KINDS[kind]).view(shape))


def _last(message: memoryview, wanted: int) -> memoryview:
    found = [value for number, value in _fields(message) if number == wanted]
    if not found:
        raise ValueError("it has no graph")
    return _bytes(found[-1])


def _fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """Number and value of each field."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        value: Value
        if key & 7 == 0:
            value, at = _varint(message, at)
        else:
            if key & 7 == 2:
                length, at = _varint(message, at)
            elif key & 7 in (1, 5):
                length = 8 if key & 7 == 1 else 4
            else:
                raise ValueError(f"a field of kind {key & 7}")
            if length > len(message) - at:
                raise EOFError("it ends within a field")
            value, at = message[at : at + length], at + length
        yield key >> 3, value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(message):
            raise EOFError("it ends within a number")
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("a number of more than 64 bits")


def _varints(message: memoryview) -> list[int]:
    found, at = [], 0
    while at < len(message):
        value, at = _varint(message, at)
        found.append(value)
    return found


def _bytes(value: Value) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number in place of a message")
    return value


def _text(value: Value) -> str:
    return str(_bytes(value), "utf-8")
