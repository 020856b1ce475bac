"""Every format gives the same weights, and no file can do more than give weights."""

from __future__ import annotations

import builtins
import os
import pickle
import re
from collections import OrderedDict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hourglass.bench.models.checkpoints import load
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
    same(load(tmp_path / "checkpoint.anything"))


def test_safetensors(tmp_path):
    save_file(WEIGHTS, tmp_path / "weights.bin")
    same(load(tmp_path / "weights.bin"))


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_pickled_arrays(protocol, tmp_path):
    pickled({"model": ARRAYS, "__author__": "someone", "iteration": 7}, tmp_path / "model.pkl", protocol)
    same(load(tmp_path / "model.pkl"))


def test_pickled_arrays_of_another_byte_order(tmp_path):
    pickled({"a": np.arange(6, dtype=">f4").reshape(2, 3)}, tmp_path / "model.pkl")
    assert torch.equal(load(tmp_path / "model.pkl")["a"], WEIGHTS["a"])


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
        load(path)
    assert not touched.exists()


def test_an_array_that_wraps_a_call_is_refused(tmp_path):
    touched, path = tmp_path / "touched", tmp_path / "evil.pkl"
    array = np.empty(1, dtype=object)
    array[0] = Calls(os.system, f"touch {touched}")
    pickled({"model": {"a": array}}, path)
    with pytest.raises(UserError, match=r"names '(posix|nt)\.system'"):
        load(path)
    assert not touched.exists()


@pytest.mark.parametrize("write", [torch_zip, torch_legacy, pickled, save_file])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_a_truncated_file_is_said_in_one_line(write, share, tmp_path):
    path = tmp_path / "checkpoint.pth"
    write({"a": torch.ones(100)} if write is not pickled else {"a": np.ones(100)}, path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(UserError, match=rf"^{re.escape(str(path))}: damaged or incomplete \([^\n]+\); get it anew$"):
        load(path)


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
        load(tmp_path / "file")


def test_no_file(tmp_path):
    with pytest.raises(UserError, match=r"checkpoint.pth: cannot be read: No such file or directory"):
        load(tmp_path / "checkpoint.pth")
