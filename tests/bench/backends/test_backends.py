"""What one is told where a framework is missing, and what stands in for operators that nobody compiled."""

from __future__ import annotations

import sys

import pytest

from hourglass.bench import backends
from hourglass.bench.backends import detectron2, mmseg
from hourglass.registry import UserError


@pytest.mark.parametrize(
    ("backend", "package", "says"),
    [
        ("mmseg", "mmcv", r"'mmseg' needs mmcv, which cannot be imported .*envs/mmseg\.lock, which `make env-mmseg`"),
        ("detectron2", "detectron2", r"needs detectron2, .*envs/detectron2\.lock"),
        (
            "mask2former",
            "detectron2",
            r"envs/detectron2\.lock.* checkout of facebookresearch/Mask2Former on PYTHONPATH",
        ),
        ("maskdino", "detectron2", r"envs/detectron2\.lock.* checkout of IDEA-Research/MaskDINO on PYTHONPATH"),
        ("detrex", "detectron2", r"envs/detectron2\.lock.* checkout of IDEA-Research/detrex on PYTHONPATH"),
    ],
)
def test_a_missing_framework_is_one_line_that_names_its_environment(monkeypatch, backend, package, says):
    monkeypatch.setitem(sys.modules, package, None)  # what makes an import fail
    with pytest.raises(UserError, match=says) as raised:
        backends.require(backend)
    assert "\n" not in str(raised.value)


def test_what_is_missing_is_known_without_importing_anything(monkeypatch):
    monkeypatch.setattr(backends, "find_spec", lambda package: None if package == "mmengine" else object())
    assert backends.missing("detectron2") is None
    assert "needs mmengine, which is not installed" in backends.missing("mmseg")


def test_versions_are_those_of_what_is_installed(monkeypatch):
    class Installed:
        def __init__(self, name, version):
            self.name, self.version = name, version

    installed = [Installed("mmcv-lite", "2.1.0"), Installed("mmengine", "0.10.7"), Installed("torch", "2.1.2")]
    monkeypatch.setattr(backends.metadata, "distributions", lambda: installed)
    assert backends.versions("mmseg") == {"mmcv-lite": "2.1.0", "mmengine": "0.10.7"}


@pytest.mark.parametrize(
    "build",
    [
        mmseg.segmenter_ade20k,
        detectron2.mask2former_coco_panoptic,
        detectron2.maskdino_coco_instance,
        detectron2.vitdet_large,
        detectron2.dino_swin_large,
    ],
)
def test_no_builder_needs_more_than_the_library_to_say_so(monkeypatch, build):
    for package in ("mmcv", "mmengine", "mmseg", "detectron2"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=r"run in the environment of envs/"):
        build()


def test_an_unknown_engine_is_named_with_the_nearest_known_one():
    with pytest.raises(UserError, match="unknown backend 'mmsegm'; did you mean 'mmseg'"):
        backends.require("mmsegm")


def test_operators_that_are_not_compiled_say_so_when_they_are_called(monkeypatch):
    name = "operators_that_nobody_compiled"
    monkeypatch.delitem(sys.modules, name, raising=False)
    backends.stand_in(name)
    monkeypatch.setitem(sys.modules, name, sys.modules[name])  # so that it is gone after the test
    import operators_that_nobody_compiled as stand_in

    assert not hasattr(stand_in, "__path__")
    with pytest.raises(NotImplementedError, match=f"{name}.forward is not compiled in this environment"):
        stand_in.forward(1, key=2)


def test_operators_that_are_there_are_left_alone():
    before = sys.modules["json.decoder"]
    backends.stand_in("json.decoder")
    assert sys.modules["json.decoder"] is before


DETREX = {
    "detrex/__init__.py": "",
    "detrex/layers/__init__.py": "",
    "detrex/layers/multi_scale_deform_attn.py": """
from detrex import _C

def multi_scale_deformable_attn_pytorch(value, spatial_shapes, sampling_locations, attention_weights):
    return ("with torch", value, spatial_shapes, sampling_locations, attention_weights)

def on_cuda(*arguments):
    return _C.ms_deform_attn_forward(*arguments)
""",
}
CALL = ("value", "shapes", "starts", "locations", "weights", 64)


@pytest.mark.parametrize("compiled", [False, True])
def test_detrex_attends_with_torch_where_nothing_is_compiled(tmp_path, monkeypatch, compiled):
    """On CUDA it calls its operator without asking whether there is one."""
    from hourglass.bench.backends import stand_in
    from hourglass.bench.backends.detectron2 import attend_with_torch

    operator = {"detrex/_C.py": "def ms_deform_attn_forward(*_):\n    return 'compiled'\n"} if compiled else {}
    for name, text in (DETREX | operator).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    stand_in("detrex._C")
    try:
        from detrex.layers import multi_scale_deform_attn as attention

        attend_with_torch()
        expected = "compiled" if compiled else ("with torch", "value", "shapes", "locations", "weights")
        assert attention.on_cuda(*CALL) == expected
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "detrex"]:
            del sys.modules[name]
