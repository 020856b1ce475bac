"""Compilers, tracers and exporters: one graph, the same numbers, or one clear line."""

from __future__ import annotations

import copy
from io import BytesIO

import pytest
import torch
from torch import nn

import hourglass

from .cases import tensors

COMPILED = ["timm ViT", "timm features", "timm DINOv3", "ViTModel", "Dinov2Backbone", "timm-swin", "SwinModel"]
COMPILED += ["SamVisionEncoder-sdpa"]
EXPORTED = ["timm ViT", "ViTModel", "Dinov2Model", "Dinov2Backbone", "BeitModel", "timm-swin", "timm DINOv3"]
EXPORTED += ["DepthAnythingForDepthEstimation", "SamVisionEncoder-sdpa", "PixioBackbone", "Sam3ViTModel", "YolosModel"]
TRACED = ["timm ViT", "ViTModel", "Dinov2Model", "timm-swin", "SwinModel", "SamVisionEncoder-sdpa", "timm DINOv3"]
SCRIPTED = ["timm ViT", "timm-swin", "SamVisionEncoder-sdpa"]
OLDER_ONNX = ["timm ViT, fixed size", "ViTModel", "timm-swin", "SamVisionEncoder-sdpa"]
ONNX = ["timm ViT", "timm DINOv3", "ViTModel", "Dinov2Model", "timm-swin"]
pytestmark = pytest.mark.filterwarnings(
    "ignore:plan.temperature", "ignore:.*save nothing", "ignore::torch.jit.TracerWarning", "ignore::FutureWarning"
)


@pytest.fixture(autouse=True)
def _without_gradients():
    with torch.no_grad():
        yield


class First(nn.Module):
    """A model as a function of images to tensors, which is all that a tracer takes."""

    def __init__(self, model: nn.Module, call: dict) -> None:
        super().__init__()
        self.model = model
        self.call = {name: value for name, value in call.items() if name != "output_hidden_states"}

    def forward(self, images):
        return tuple(tensors(self.model(images, **self.call)))


def prepared(case, form="residual", **changes):
    model = hourglass.apply(case.model(), case.plan(form=form, iterations=1, **changes))
    images = case.images(1)
    module = First(model, case.entry.call)
    return module, images, module(images)


def assert_same(found, expected):
    for got, want in zip(tensors(found), tensors(expected), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["residual", "published"])
@pytest.mark.parametrize("name", COMPILED)
def test_compiles_as_one_graph(name, form, by_name):
    module, images, _ = prepared(by_name[name], form)
    torch._dynamo.reset()
    # A copy has run before nothing, so no pass that was not compiled can have left something.
    found = torch.compile(copy.deepcopy(module), backend="eager", fullgraph=True)(images)
    assert_same(found, module(images))


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPORTED)
def test_exports(name, by_name):
    module, images, expected = prepared(by_name[name])
    program = torch.export.export(module, (images,)).module()
    assert_same(program(images), expected)


@pytest.mark.parametrize("name", TRACED)
def test_traces(name, by_name):
    module, images, expected = prepared(by_name[name])
    traced = torch.jit.trace(module, (images,), check_trace=False)
    assert_same(traced(images), expected)
    assert_same(traced(images + 1), module(images + 1))


@pytest.mark.slow
@pytest.mark.parametrize("name", ONNX)
def test_exports_to_onnx(name, by_name, tmp_path):
    pytest.importorskip("onnxscript", reason="needs onnx and onnxscript")
    module, images, expected = prepared(by_name[name])
    program = torch.onnx.export(module, (images,), dynamo=True, verbose=False)
    assert program is not None
    runtime = pytest.importorskip("onnxruntime", reason="runs only with onnxruntime")
    program.save(tmp_path / "model.onnx")
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    found = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    assert_same([torch.from_numpy(value) for value in found], expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", OLDER_ONNX)
def test_exports_by_the_older_onnx_exporter(name, by_name):
    onnx = pytest.importorskip("onnx", reason="needs onnx")
    from onnx.reference import ReferenceEvaluator

    module, images, expected = prepared(by_name[name])
    file = BytesIO()
    torch.onnx.export(module, (images,), file, dynamo=False, opset_version=18)
    model = onnx.load_from_string(file.getvalue())
    onnx.checker.check_model(model)
    found = ReferenceEvaluator(model).run(None, {model.graph.input[0].name: images.numpy()})
    assert_same([torch.from_numpy(value) for value in found], expected)


def test_fx_says_what_to_use_instead(by_name):
    model = hourglass.apply(by_name["timm ViT, fixed size"].model(), by_name["timm ViT"].plan())
    with pytest.raises(ValueError, match=r"torch.fx .*cannot follow the hourglass"):
        torch.fx.symbolic_trace(model)


@pytest.mark.parametrize("name", SCRIPTED)
def test_scripting_says_what_to_use_instead(name, by_name):
    model = hourglass.apply(by_name[name].model(), by_name[name].plan())
    for outer in (model, nn.Sequential(model)):
        with pytest.raises(ValueError, match=r"^torch\.jit\.script cannot follow .*: use torch\.export"):
            torch.jit.script(outer)
    assert "__prepare_scriptable__" not in vars(hourglass.remove(model))


def test_a_function_transform(by_name):
    case = by_name["timm ViT"]
    model, images = hourglass.apply(case.model(), case.plan()), case.images()
    parameters = {name: 1.1 * value for name, value in model.named_parameters()}
    found = torch.func.functional_call(model, parameters, (images,))
    for name, value in model.named_parameters():
        value.copy_(parameters[name])
    torch.testing.assert_close(found, model(images))
    mapped = torch.func.vmap(lambda image: model(image[None])[0])(images)
    torch.testing.assert_close(mapped, model(images), rtol=1e-4, atol=1e-5)
