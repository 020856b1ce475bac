"""Average precision equals pycocotools', from predictions and from the files they are saved in."""

from __future__ import annotations

import contextlib
import io
import json

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from hourglass.bench import tasks
from hourglass.bench.datasets.base import Category, Instances, Sample
from hourglass.bench.datasets.coco import masks
from hourglass.bench.tasks import Detections
from hourglass.registry import UserError

SIZE = (240, 320)
CATEGORIES = (
    Category(3, "a", True, (0, 0, 0)),
    Category(11, "b", True, (0, 0, 0)),
    Category(90, "c", True, (0, 0, 0)),
    Category(91, "sky", False, (0, 0, 0)),
)


def blob(rng, center=None):
    """An ellipse of any of COCO's three sizes: its mask and center."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    y, x = center or (rng.uniform(20, SIZE[0] - 20), rng.uniform(20, SIZE[1] - 20))
    height, width = np.exp(rng.uniform(np.log(5), np.log(90), 2))
    return ((rows - y) / height) ** 2 + ((columns - x) / width) ** 2 <= 1


def make_split(seed, images=12):
    """Samples with every quirk of COCO's annotations, and detections that are partly right."""
    rng = np.random.default_rng(seed)
    for image_id in range(3, 3 + images):
        annotations, boxes, found, scores, labels = [], [], [], [], []
        for _ in range(rng.integers(0, 7)):
            mask, label = blob(rng), int(rng.integers(3))
            annotation = masks.annotate(mask, id=len(annotations), image_id=image_id, category_id=CATEGORIES[label].id)
            annotation["iscrowd"] = int(rng.random() < 0.15)
            annotations.append(annotation)
            for _ in range(rng.integers(0, 3)):
                moved = np.roll(mask, tuple(rng.integers(-4, 5, 2)), (0, 1))
                found.append(moved)
                labels.append(label if rng.random() < 0.8 else int(rng.integers(3)))
        found += [blob(rng) for _ in range(rng.integers(0, 4))]
        labels += [int(rng.integers(3)) for _ in range(len(found) - len(labels))]
        scores = np.round(rng.random(len(found)), 2)
        boxes = [masks.annotate(m, id=1, image_id=0, category_id=0)["bbox"] for m in found]
        xyxy = torch.tensor([[x, y, x + w, y + h] for x, y, w, h in boxes], dtype=torch.float32).reshape(-1, 4)
        true_labels = [[c.id for c in CATEGORIES].index(a["category_id"]) for a in annotations]
        target = Instances(SIZE, torch.tensor(true_labels, dtype=torch.int64), tuple(annotations))
        prediction = Detections(
            xyxy + torch.from_numpy(rng.normal(0, 0.4, xyxy.shape)).float(),
            torch.tensor(scores),
            torch.tensor(labels, dtype=torch.int64),
            torch.from_numpy(np.stack(found)) if found else torch.zeros(0, *SIZE, dtype=torch.bool),
        )
        yield prediction, Sample(image_id, torch.zeros(3, *SIZE, dtype=torch.uint8), target, f"{image_id:03}")


def by_pycocotools(split, results, kind):
    """AP, AP50, AP75, small, medium, large; None where it does not apply."""
    truth, annotations = COCO(), []
    for _, sample in split:
        annotations += [{**a, "id": len(annotations) + i + 1} for i, a in enumerate(sample.target.annotations)]
    truth.dataset = {
        "images": [{"id": s.image_id, "height": SIZE[0], "width": SIZE[1]} for _, s in split],
        "categories": [{"id": c.id} for c in CATEGORIES if c.isthing],
        "annotations": annotations,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [value if value >= 0 else None for value in evaluation.stats[:6].tolist()]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("task", "kind", "file"),
    [
        ("object-detection", "bbox", "detections.json"),
        ("instance-segmentation", "segm", "instances.json"),
    ],
)
def test_equal_to_pycocotools(tmp_path, seed, task, kind, file):
    split = list(make_split(seed))
    scorer, writer = tasks.scorer(tasks.get(task), CATEGORIES), tasks.get(task).writer(tmp_path, CATEGORIES)
    for prediction, sample in split:
        scorer.add(prediction, sample)
        writer.add(prediction, sample)
    writer.close()
    expected = by_pycocotools(split, json.loads((tmp_path / file).read_text()), kind)
    assert list(scorer.values()) == [metric.name for metric in tasks.metrics(task)]
    assert list(scorer.values().values()) == pytest.approx(expected, abs=1e-6)
    assert 0.1 < expected[0] < 0.95


def test_sizes_that_do_not_occur_have_no_precision():
    mask = np.zeros(SIZE, bool)
    mask[10:20, 10:20] = True
    annotation = masks.annotate(mask, id=0, image_id=1, category_id=3)
    sample = Sample(1, torch.zeros(3, *SIZE), Instances(SIZE, torch.tensor([0]), (annotation,)))
    right = Detections(sample.target.boxes, torch.ones(1), torch.zeros(1, dtype=torch.int64))
    nothing = Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))
    for prediction, value in ((right, 1.0), (nothing, 0.0)):
        scorer = tasks.scorer(tasks.get("object-detection"), CATEGORIES)
        scorer.add(prediction, sample)
        assert list(scorer.values().values()) == pytest.approx([value, value, value, value, None, None])


def test_masks_are_asked_for():
    prediction, sample = next(pair for pair in make_split(0) if len(pair[0].scores))
    boxes_only = Detections(prediction.boxes, prediction.scores, prediction.labels)
    with pytest.raises(ValueError, match=r"prediction\.masks"):
        tasks.scorer(tasks.get("instance-segmentation"), CATEGORIES).add(boxes_only, sample)


@pytest.mark.parametrize("task", ["object-detection", "instance-segmentation"])
@pytest.mark.parametrize("spoiled", ["score", "box"])
def test_detections_that_are_no_number_are_none(tmp_path, task, spoiled, caplog):
    """Metrics, shards and files are those of the other detections, whatever order evaluators would put a NaN in."""
    split = list(make_split(1))
    scorer, other, merged = (tasks.scorer(tasks.get(task), CATEGORIES) for _ in range(3))
    writer = tasks.get(task).writer(tmp_path, CATEGORIES)
    for prediction, sample in split:
        scores, boxes = prediction.scores.clone(), prediction.boxes.clone()
        (scores if spoiled == "score" else boxes)[::4] = float("nan")
        kept = torch.ones(len(scores), dtype=torch.bool)
        kept[::4] = False
        bad = Detections(boxes, scores, prediction.labels, prediction.masks)
        scorer.add(bad, sample)
        writer.add(bad, sample)
        good = (prediction.boxes, prediction.scores, prediction.labels, prediction.masks)
        other.add(Detections(*(values[kept] for values in good)), sample)
    writer.close()
    merged.merge(json.loads(json.dumps(scorer.state(), allow_nan=False)))
    assert scorer.values() == other.values() == merged.values()
    assert 0 < next(iter(scorer.values().values())) < 1
    assert len(list(tmp_path.iterdir())) == 1
    assert "detections without a score or box are left out" in caplog.text


@pytest.mark.parametrize("task", ["object-detection", "instance-segmentation"])
def test_labels_that_stand_for_no_class_are_named(task):
    prediction, sample = next(pair for pair in make_split(0) if len(pair[0].scores))
    labels = torch.full_like(prediction.labels, len(CATEGORIES))
    strange = Detections(prediction.boxes, prediction.scores, labels, prediction.masks)
    with pytest.raises(UserError, match="model: gives 5 classes, but the data set has 4; choose the data set"):
        tasks.scorer(tasks.get(task), CATEGORIES).add(strange, sample)
