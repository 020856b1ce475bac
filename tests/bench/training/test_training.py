"""Training resumes to the step, and each recipe takes a step on its own model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from hourglass.bench import models, training
from hourglass.bench.datasets import Instances, Sample
from hourglass.bench.models.reference import fcos_scenes
from hourglass.bench.training import RECIPES
from hourglass.bench.training import scenes as training_scenes
from hourglass.bench.training.heads import mask_loss
from hourglass.bench.training.loop import Stage, fit
from hourglass.bench.training.photos import mirrored
from hourglass.bench.training.scenes import TrainingScenes, stack
from hourglass.bench.training.token_boxes import MIRRORINGS, TokenBoxes
from hourglass.bench.training.vit import depth_loss
from hourglass.registry import UserError


def noisy_regression(model, rng):
    x = torch.from_numpy(rng.standard_normal((8, 4)).astype(np.float32))
    return (model(x) - x.sum(1, keepdim=True)).square().mean() + 0 * torch.rand(())


class InterruptedRunError(Exception):
    pass


@pytest.mark.parametrize("average", [None, 0.8])
def test_an_interrupted_run_ends_like_an_uninterrupted_one(average, tmp_path, monkeypatch):
    monkeypatch.setattr("hourglass.bench.training.loop.CHECKPOINT_SECONDS", -1.0)
    torch.manual_seed(0)
    straight, broken = nn.Linear(4, 1), nn.Linear(4, 1)
    broken.load_state_dict(straight.state_dict())
    stage = Stage(noisy_regression, steps=60, learning_rate=0.1, average=average)
    fit(straight, stage, tmp_path / "straight.pt", seed=3, title="straight")

    steps = iter(range(37))

    def stumbling(model, rng):
        if next(steps, None) is None:
            raise InterruptedRunError
        return noisy_regression(model, rng)

    with pytest.raises(InterruptedRunError):
        fit(broken, replace(stage, objective=stumbling), tmp_path / "broken.pt", seed=3, title="broken")
    fresh = nn.Linear(4, 1)
    fit(fresh, stage, tmp_path / "broken.pt", seed=3, title="broken")
    torch.testing.assert_close(fresh.weight, straight.weight, rtol=0, atol=0)
    assert (fresh.weight - 1).abs().max() < 0.2


def test_a_stage_leaves_the_average_of_its_weights(tmp_path):
    seen = []

    def objective(model, rng):
        seen.append(model.weight.detach().clone())
        return noisy_regression(model, rng)

    model = nn.Linear(4, 1)
    fit(model, Stage(objective, steps=4, learning_rate=0.1, average=0.5), tmp_path / "a.pt", seed=0, title="a")
    last = torch.load(tmp_path / "a.pt", weights_only=True)["model"]["weight"]
    after = [*seen[1:], last]
    average = after[0]
    for weight in after[1:]:
        average = 0.5 * average + 0.5 * weight
    torch.testing.assert_close(model.weight.detach(), average)


def test_training_scenes_are_rendered_once_and_mirrored(tmp_path, monkeypatch):
    scenes = TrainingScenes(tmp_path, 4)
    monkeypatch.setattr(training_scenes, "_render", pytest.fail)
    again = TrainingScenes(tmp_path, 4)
    drawn = again.draw(np.random.default_rng(0), 4, (slice(0, 64), slice(64, 192)))
    assert stack(drawn, "image").shape == (4, 3, 64, 128)
    whole = {int(scenes.layers["semantic"][i].astype(np.int64).sum()) for i in range(4)}
    assert {int(stack([s], "semantic").sum()) for s in scenes.draw(np.random.default_rng(1), 4)} == whole


def test_depth_loss_counts_only_where_there_is_depth():
    depth = torch.tensor([[[0.0, 2.0], [4.0, 0.0]]])
    logs = torch.tensor([[[99.0, 2.0], [4.0, -99.0]]]).clamp(min=1e-3).log()
    assert depth_loss(logs, depth).item() == pytest.approx(0.0, abs=1e-6)


def test_mask_loss_counts_each_mask_alike():
    """Nothing for the truth, and its two parts for what is wrong: cross-entropy of pixels, and dice of masks."""
    truth = torch.zeros(2, 1, 4, 4)
    truth[0], truth[1, 0, 0] = 1, 1
    assert mask_loss(100 * (2 * truth - 1), truth).item() == pytest.approx(0, abs=1e-6)
    undecided = mask_loss(torch.zeros(2, 1, 4, 4), truth).item()
    dice = 1 - torch.tensor([(16 + 1) / (8 + 16 + 1), (4 + 1) / (8 + 4 + 1)])
    assert undecided == pytest.approx(np.log(2) + dice.mean().item())


CELLS = Instances((120, 160), torch.tensor([1]), ({"bbox": [30.0, 20.0, 60.0, 50.0], "area": 3000.0},))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "vit-scenes",
        "segmenter-scenes",
        "dpt-scenes",
        "fcos-scenes",
        "vitdet-scenes",
        "vitmask-scenes",
        "mask2former-scenes",
    ],
)
def test_every_scene_recipe_lowers_its_loss(name, tmp_path, monkeypatch):
    monkeypatch.setattr("hourglass.bench.training.recipes.SCENES", 4)
    torch.manual_seed(0)
    recipe = RECIPES.get(name)
    stage = recipe.stages(tmp_path)[0]
    stage.objective.batch = 2
    assert_loss_falls(recipe.build(), stage)


@pytest.mark.slow
def test_the_recipe_for_blood_cells_lowers_its_loss(tmp_path, monkeypatch):
    image = torch.randint(0, 256, (3, 120, 160), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    samples = [Sample(number, image, CELLS) for number in range(2)]
    monkeypatch.setattr("hourglass.bench.training.photos.Photos.samples", samples)
    recipe = RECIPES.get("fcos-bccd")
    stage = recipe.stages(tmp_path)[0]
    stage.objective.batch = 2
    assert_loss_falls(recipe.build(), stage)


@pytest.mark.slow
def test_the_recipe_for_blood_cells_on_tokens_lowers_its_loss(tmp_path, monkeypatch):
    image = torch.zeros(3, 120, 160, dtype=torch.uint8)
    samples = [Sample(number, image, CELLS) for number in range(2)]
    monkeypatch.setattr("hourglass.bench.training.photos.Photos.samples", samples)
    torch.manual_seed(0)
    monkeypatch.setattr(TokenBoxes, "tokens", torch.randn(2 * MIRRORINGS, 36 * 48, 384).half())
    recipe = RECIPES.get("dinov2-bccd")
    stage = recipe.stages(tmp_path)[0]
    stage.objective.batch = 2
    assert_loss_falls(recipe.build(), stage)


@pytest.mark.parametrize("horizontally", [False, True])
@pytest.mark.parametrize("vertically", [False, True])
def test_a_mirrored_photograph_has_its_boxes_where_its_objects_are(horizontally, vertically):
    left, top, right, bottom = (int(side) for side in CELLS.boxes[0])
    image = torch.zeros(3, 120, 160, dtype=torch.uint8)
    image[:, top:bottom, left:right] = 255
    picture, target = mirrored(Sample(0, image, CELLS), horizontally, vertically)
    left, top, right, bottom = (int(side) for side in target["boxes"][0])
    assert picture[:, top:bottom, left:right].eq(1).all()
    assert picture.sum() == 3 * 50 * 60


def assert_loss_falls(model, stage):
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    losses = []
    for _ in range(4):
        torch.manual_seed(0)
        optimizer.zero_grad()
        loss = stage.objective(model, np.random.default_rng(0))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_dpt_starts_from_the_segmenters_encoder():
    """The same tokens in both frameworks: names, order of q, k, v and position embeddings are right."""
    torch.manual_seed(0)
    segmenter, dpt = (models.build_untrained(name) for name in ("segmenter-scenes", "dpt-scenes"))
    RECIPES.get("dpt-scenes").adopt(dpt, segmenter.state_dict())
    images = torch.rand(1, 3, 256, 256)
    with torch.inference_mode():
        ours = segmenter.encoder.norm(
            segmenter.encoder.forward_intermediates(
                images, norm=False, indices=[11], output_fmt="NLC", intermediates_only=True
            )[0]
        )
        theirs = segmenter.encoder.norm(dpt.dpt.dpt(images, output_hidden_states=True).hidden_states[-1][:, 1:])
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


@torch.inference_mode()
def test_plain_detector_starts_from_the_segmenters_encoder():
    """The same tokens, although the detector brings images to mean 0 and deviation 1, and the Segmenter to [-1, 1]."""
    torch.manual_seed(0)
    segmenter, detector = (models.build_untrained(name) for name in ("segmenter-scenes", "vitdet-scenes"))
    RECIPES.get("vitdet-scenes").adopt(detector, segmenter.half().state_dict())
    images = torch.rand(1, 3, 256, 256)
    standardised = detector.fcos.transform([images[0]])[0].tensors
    theirs = detector.fcos.backbone.tokens.encoder.forward_features(standardised)
    torch.testing.assert_close(theirs, segmenter.float().encoder.forward_features(images * 2 - 1), rtol=1e-3, atol=1e-4)


def test_mask_detector_trains_its_heads_alone():
    """The detector it starts from stays as it is, and is not saved a second time."""
    recipe, detector = RECIPES.get("vitmask-scenes"), models.build_untrained("vitdet-scenes").state_dict()
    model = recipe.build()
    recipe.adopt(model, detector)
    kept = recipe.keep(model).state_dict()
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == kept.keys() == model.state_dict().keys() - detector.keys()
    assert all(torch.equal(model.state_dict()[name], value) for name, value in detector.items())


def test_detectors_and_mask2former_share_a_swin():
    detector, masks = fcos_scenes(), models.build_untrained("mask2former-scenes")
    RECIPES.get("mask2former-scenes").adopt(masks, detector.state_dict())
    ours = dict(detector.fcos.backbone.swin.named_parameters())
    theirs = dict(masks.mask2former.model.pixel_level_module.encoder.named_parameters())
    shared = [name for name in ours if name in theirs]
    assert len(shared) > 0.95 * len(ours)
    assert all(torch.equal(ours[name], theirs[name]) for name in shared)


def test_unknown_recipe(tmp_path):
    with pytest.raises(UserError, match="unknown recipe 'nope'; known: vit-scenes"):
        training.run("nope", tmp_path, tmp_path)
