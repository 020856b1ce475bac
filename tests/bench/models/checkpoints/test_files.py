"""Every format gives the same weights, and no file can do more than give weights."""

from __future__ import annotations

import argparse
import builtins
import datetime
import logging
import os
import pickle
import random
import re
import resource
import sys
import tempfile
import warnings
import zipfile
from collections import Counter, OrderedDict, defaultdict
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from hourglass.bench.models.checkpoints import read_checkpoint
from hourglass.registry import UserError

WEIGHTS = OrderedDict(a=torch.arange(6.0).view(2, 3), b=torch.ones(4, dtype=torch.float16), c=torch.tensor(3))
ARRAYS = {key: value.numpy() for key, value in WEIGHTS.items()}


class Calls:
    """Pickles as the call of a function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def torch_zip(content, path):
    torch.save(content, path)


def torch_legacy(content, path):
    torch.save(content, path, _use_new_zipfile_serialization=False)


def pickled(content, path, protocol=4):
    path.write_bytes(pickle.dumps(content, protocol=protocol))


def same(found):
    assert found.keys() == WEIGHTS.keys()
    for key, value in WEIGHTS.items():
        assert found[key].dtype == value.dtype
        assert torch.equal(found[key], value)


@pytest.mark.parametrize(
    "content",
    [
        WEIGHTS,
        {"meta": {"CLASSES": ("wall",), "epoch": 3}, "state_dict": WEIGHTS},
        {"model": WEIGHTS, "optimizer": {"state": {}}, "n_cls": 150},
    ],
)
@pytest.mark.parametrize("write", [torch_zip, torch_legacy])
def test_files_of_torch(write, content, tmp_path):
    write(content, tmp_path / "checkpoint.anything")
    same(read_checkpoint(tmp_path / "checkpoint.anything"))


def test_safetensors(tmp_path):
    save_file(WEIGHTS, tmp_path / "weights.bin")
    same(read_checkpoint(tmp_path / "weights.bin"))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickled_arrays(protocol, tmp_path):
    pickled({"model": ARRAYS, "__author__": "someone", "iteration": 7}, tmp_path / "model.pkl", protocol)
    same(read_checkpoint(tmp_path / "model.pkl"))


def test_pickled_arrays_of_another_byte_order(tmp_path):
    pickled({"a": np.arange(6, dtype=">f4").reshape(2, 3)}, tmp_path / "model.pkl")
    assert torch.equal(read_checkpoint(tmp_path / "model.pkl")["a"], WEIGHTS["a"])


@pytest.mark.parametrize("write", [torch_zip, torch_legacy, pickled])
@pytest.mark.parametrize("content", [lambda call: {"a": call}, lambda call: {"model": {"a": ({"b": [call]},)}}])
@pytest.mark.parametrize(
    ("function", "argument", "name"),
    [
        (os.system, "touch {touched}", r"(posix|nt)\.system"),
        (builtins.eval, "open('{touched}', 'w')", r"(builtins\.)?eval"),
        (os.path.exists, "{touched}", r"genericpath\.exists"),
    ],
)
def test_a_pickle_that_calls_something_is_refused(write, content, function, argument, name, tmp_path):
    touched, path = tmp_path / "touched", tmp_path / "evil.pkl"
    write(content(Calls(function, argument.format(touched=touched))), path)
    with pytest.raises(UserError, match=rf"^{re.escape(str(path))}: names '{name}', [^\n]* refused: [^\n]*$"):
        read_checkpoint(path)
    assert not touched.exists()


class History:
    """As mmengine's HistoryBuffer: an array, a table of its own functions, and no weight."""

    def __init__(self):
        self.values = np.arange(3.0)
        self.statistics = OrderedDict(mean=History.mean)

    def mean(self):
        raise AssertionError("nothing of a checkpoint is called")


BESIDE = {
    "epoch": 3,
    "best": np.float64(0.5),
    "flags": np.bool_(True),
    "rates": np.arange(4),
    "arguments": argparse.Namespace(batch=8, path=Path("/data"), seen={1, 2}),
    "message_hub": {"log_scalars": OrderedDict(loss=History()), "runtime": defaultdict(list, x=[1])},
    "optimizer": {"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 0.1}]},
    "when": datetime.datetime(2024, 1, 1),
    "module_class": torch.nn.Linear,
    "device": torch.device("cpu"),
    "kind": torch.float16,
    "counts": Counter("aab"),
    "crops": range(3),
    "rest": ...,
    "generator": random.Random(0),
    "log": logging.getLogger("training"),
}


@pytest.mark.parametrize("write", [torch_zip, torch_legacy])
@pytest.mark.parametrize("where", ["state_dict", "model", "model_state_dict", "model_ema", "state_dict_ema"])
def test_what_stands_beside_the_weights_is_left_out(write, where, tmp_path, monkeypatch):
    """Whatever it is, and although none of its classes can be imported."""
    write(BESIDE | {where: WEIGHTS}, tmp_path / "checkpoint.pth")
    monkeypatch.delattr(sys.modules[__name__], "History")
    same(read_checkpoint(tmp_path / "checkpoint.pth"))


def test_what_stands_beside_arrays_is_left_out(tmp_path):
    beside = {key: value for key, value in BESIDE.items() if key not in ("optimizer", "device", "kind")}
    pickled(beside | {"model": ARRAYS}, tmp_path / "model.pkl")
    same(read_checkpoint(tmp_path / "model.pkl"))


def test_the_weights_go_before_their_average(tmp_path):
    torch.save({"epoch": 3, "model_ema": {"x": torch.zeros(1)}, "model": WEIGHTS}, tmp_path / "checkpoint.pth")
    same(read_checkpoint(tmp_path / "checkpoint.pth"))


@pytest.mark.parametrize("write", [torch_zip, torch_legacy, lambda content, path: save_file(content["model"], path)])
def test_the_prefix_of_a_wrapper_is_taken_off(write, tmp_path):
    write({"model": {f"module.{key}": value for key, value in WEIGHTS.items()}}, tmp_path / "checkpoint.pth")
    same(read_checkpoint(tmp_path / "checkpoint.pth"))
    torch.save({"model_ema": {"decay": 0.9, "module": WEIGHTS}}, tmp_path / "checkpoint.pth")
    same(read_checkpoint(tmp_path / "checkpoint.pth"))


def test_parameters_and_views_are_tensors(tmp_path):
    base = torch.arange(24.0)
    views = {"a": base[3:9].view(2, 3), "b": base.view(4, 6).T, "c": torch.nn.Parameter(base[:1]), "d": base[:0]}
    torch.save(views, tmp_path / "checkpoint.pth")
    found = read_checkpoint(tmp_path / "checkpoint.pth")
    for key, value in views.items():
        assert torch.equal(found[key], value.detach())


def rewritten(path, change):
    """The zip archive of torch with other content: from member and content to content."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, change(name, content))
    return path


def test_a_tensor_beyond_its_storage_is_refused(tmp_path):
    """torch itself would show what lies behind it in memory."""
    path = tmp_path / "checkpoint.pth"
    torch.save({"a": torch.ones(1000)}, path)
    rewritten(path, lambda name, content: content[:400] if "/data/" in name else content)
    with pytest.raises(UserError, match=r"a tensor of \(1000,\) in a storage of 100 numbers"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [(0, (10**12,), (1,)), (0, (10**9, 4), (0, 1)), (-1, (2,), (1,)), (3, (4,), (-1,)), (10**15, (1,), (1,))],
)
def test_tensors_of_impossible_extent_are_refused(offset, size, stride, tmp_path, monkeypatch):
    class Shape:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (
                torch.ones(4).storage(),
                offset,
                size,
                stride,
                False,
                OrderedDict(),
            )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save({"a": Shape()}, tmp_path / "checkpoint.pth")
    with pytest.raises(UserError, match="in a storage of 4 numbers"):
        read_checkpoint(tmp_path / "checkpoint.pth")


def test_compressed_archives_are_not_unpacked(tmp_path):
    path = tmp_path / "checkpoint.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**8))
    with pytest.raises(UserError, match="it is compressed, which torch does not do"):
        read_checkpoint(path)


BOMBS = {
    "an array's type called for gigabytes": b"\x80\x04cnumpy\nndarray\n(J\x00\x00\x00\x40K\x04\x86tR.",
    "a memo of billions": b"\x80\x02K\x01r\xff\xff\xff\x7f.",
    "bytes of gigabytes": b"\x80\x04\x8e\x00\x00\x00\x00\x01\x00\x00\x00.",
}


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
def test_pickles_that_ask_for_gigabytes_get_none(content, tmp_path):
    (tmp_path / "model.pkl").write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError):
        read_checkpoint(tmp_path / "model.pkl")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000, "kB"


@pytest.mark.parametrize("kind", ["self", "shared"])
def test_containers_within_themselves_end(kind, tmp_path):
    content = {"model": {}}
    if kind == "self":
        content["model"]["model"] = content
    else:
        inner = {"x": 1}
        for _ in range(60):
            inner = {"a": inner, "b": inner}
        content["model"] = inner
    pickled(content, tmp_path / "model.pkl")
    with pytest.raises(UserError, match=r"no tensor|no weights"):
        read_checkpoint(tmp_path / "model.pkl")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "value",
    [
        torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
        torch.ones(3).to_sparse(),
        torch.nn.Linear(2, 2),
    ],
    ids=["quantised", "sparse", "module"],
)
def test_tensors_of_other_kinds_are_named(value, tmp_path):
    torch.save({"model": {"a": value}}, tmp_path / "checkpoint.pth")
    with pytest.raises(UserError, match="'a' is no tensor"):
        read_checkpoint(tmp_path / "checkpoint.pth")


def test_what_a_pickle_does_to_a_name_does_not_last(tmp_path):
    """A state set on the very function that makes tensors."""
    evil = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(ccollections\nOrderedDict\n)}NtbU\x01x\x86."
    (tmp_path / "evil.pkl").write_bytes(evil)
    with pytest.raises(UserError):
        read_checkpoint(tmp_path / "evil.pkl")
    torch.save(WEIGHTS, tmp_path / "checkpoint.pth")
    same(read_checkpoint(tmp_path / "checkpoint.pth"))


@given(st.binary(max_size=200), st.integers(0, 10**6))
def test_damage_is_one_line_and_never_a_crash(noise, place):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.pth"
        torch.save({"model": WEIGHTS}, path, _use_new_zipfile_serialization=place % 2 == 0)
        whole = bytearray(path.read_bytes())
        place %= len(whole)
        whole[place : place + len(noise)] = noise
        path.write_bytes(whole)
        with suppress(UserError):
            read_checkpoint(path)


def test_an_array_that_wraps_a_call_is_refused(tmp_path):
    touched, path = tmp_path / "touched", tmp_path / "evil.pkl"
    array = np.empty(1, dtype=object)
    array[0] = Calls(os.system, f"touch {touched}")
    pickled({"model": {"a": array}}, path)
    with pytest.raises(UserError, match=r"names '(posix|nt)\.system'"):
        read_checkpoint(path)
    assert not touched.exists()


@pytest.mark.parametrize("write", [torch_zip, torch_legacy, pickled, save_file])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_a_truncated_file_is_said_in_one_line(write, share, tmp_path):
    path = tmp_path / "checkpoint.pth"
    write({"a": torch.ones(100)} if write is not pickled else {"a": np.ones(100)}, path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(UserError, match=rf"^{re.escape(str(path))}: damaged or incomplete \([^\n]+\); get it anew$"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "not a checkpoint"),
        (b"<html>404</html>", "not a checkpoint"),
        (pickle.dumps([1, 2]), "holds no weights by name"),
        (pickle.dumps({}), "holds no weights by name"),
        (pickle.dumps({"model": {"a": 1.5}}), "holds more than weights: 'a' is no tensor"),
        (pickle.dumps({"model": {3: np.ones(1)}}, protocol=4), "holds more than weights: '3' is no tensor"),
        (pickle.dumps({"a": np.array(["text"])}, protocol=4), "holds more than weights: 'a' is no tensor"),
    ],
)
def test_other_files_are_not_taken_for_weights(content, what, tmp_path):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UserError, match=what):
        read_checkpoint(tmp_path / "file")


def test_no_file(tmp_path):
    with pytest.raises(UserError, match=r"checkpoint.pth: cannot be read: No such file or directory"):
        read_checkpoint(tmp_path / "checkpoint.pth")
