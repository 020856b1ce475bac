"""The pictures of the page: for each experiment and plan, the images with the baseline's and the plan's predictions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hourglass.bench.pictures.layers import GRADUAL, decoded, difference, encoded, share
from hourglass.bench.report.fronts import method_of
from hourglass.bench.report.words import amount, anchor, changed, loss
from hourglass.bench.results.gallery import Entry
from hourglass.bench.suites.case import Case
from hourglass.bench.suites.suite import Experiment
from hourglass.bench.tables.content import Content
from hourglass.bench.tasks import target_name
from hourglass.bench.tasks.metric import Metric

Galleries = Mapping[str, Sequence[Entry]]
"""Stored pictures by the id of the case."""

MOST_BYTES = 7_000_000
"""Of all pictures of a page."""


class Shot(NamedTuple):
    """One image under one plan. Pictures are keys of those of the page.

    Attributes:
        before: What the metric is for the image with the baseline.
        after: The same with the plan.
        change: By how much it differs.
        loss: The same as a number, in the metric's unit.
        apart: Share of the pixels that are labelled otherwise, in words; empty where colours stand for numbers.
    """

    name: str
    before: str
    after: str
    change: str
    loss: float
    apart: str
    image: str
    truth: str
    baseline: str
    plan: str
    difference: str
    clusters: str | None


class Room(NamedTuple):
    """The images of one case, the one that loses most first."""

    case: Case
    name: str
    shots: list[Shot]

    @property
    def worst(self) -> Shot | None:
        """The image that loses most, if one loses anything."""
        return self.shots[0] if self.shots and self.shots[0].loss > 0 else None


class Wing(NamedTuple):
    """The images of one experiment, by plan."""

    experiment: Experiment
    anchor: str
    metric: Metric
    rooms: list[Room]
    targets: str
    """What the task's targets are called."""
    shown: str
    """Id of the case that is seen first: that of the headline, if it has pictures."""


@dataclass
class Exhibition:
    """All pictures of a page.

    Attributes:
        wings: By experiment.
        pictures: In base64, by the keys that shots have.
        left_out: What is not shown for want of room, in words.
    """

    wings: list[Wing] = field(default_factory=list)
    pictures: dict[str, str] = field(default_factory=dict)
    left_out: str = ""

    def room(self, case: Case) -> Room | None:
        """The images of a case."""
        return next((room for wing in self.wings for room in wing.rooms if room.case == case), None)

    @property
    def bytes(self) -> int:
        """How much room its pictures take."""
        return sum(map(len, self.pictures.values()))


def exhibition(content: Content, galleries: Galleries) -> Exhibition:
    """As many pictures as a page has room for: of all plans, or of one plan of each experiment."""
    found = Exhibition()
    for images, all_plans in ((99, True), (2, True), (2, False), (1, False)):
        found = _exhibition(content, galleries, images, all_plans)
        if found.bytes <= MOST_BYTES:
            if images < 99:
                plans = "" if all_plans else ", and of one plan of each experiment"
                found.left_out = f"For want of room, pictures of {images} per experiment{plans} are shown."
            return found
    return Exhibition(
        left_out=f"The pictures would take {found.bytes / 1e6:.0f} MB; they lie in the gallery.json files."
    )


def _exhibition(content: Content, galleries: Galleries, images: int, all_plans: bool) -> Exhibition:
    found = Exhibition()
    for experiment in content.outcome.suite.experiments:
        cases = [case for case in content.outcome.suite.cases if case.experiment == experiment.id]
        baseline = {entry.index: entry for entry in list(galleries.get(cases[0].id, ()))[:images]}
        shown = [case for case in cases[1:] if galleries.get(case.id)]
        if not baseline or not shown:
            continue
        chosen = content.headline(experiment.id)
        first = chosen if chosen in shown else shown[0]
        metric = content.outcome.metrics[experiment.id]
        rooms = []
        for case in shown if all_plans else [first]:
            pairs = [(baseline[e.index], e) for e in galleries[case.id] if e.index in baseline]
            shots = sorted(_shots(case, pairs, metric, found.pictures), key=lambda shot: -shot.loss)
            if shots:
                rooms.append(Room(case, f"{case.plan} ({method_of(case)})", shots))
        if rooms:
            seen = first.id if any(room.case == first for room in rooms) else rooms[0].case.id
            targets = target_name(experiment.task)
            found.wings.append(Wing(experiment, anchor("pictures", experiment.id), metric, rooms, targets, seen))
    return found


def _shots(case: Case, pairs: Iterable[tuple[Entry, Entry]], metric: Metric, into: dict[str, str]) -> Iterable[Shot]:
    for before, after in pairs:
        try:
            layers = [decoded(entry.pictures["prediction"]) for entry in (before, after)]
            for kind in ("image", "truth"):
                decoded(before.pictures[kind])
            if "clusters" in after.pictures:
                decoded(after.pictures["clusters"])
            if layers[0].shape != layers[1].shape:
                continue
        except (KeyError, ValueError):
            continue
        gradual = case.task in GRADUAL
        apart = difference(*layers, gradual=gradual)
        shared, own = anchor(case.baseline_id, str(before.index)), anchor(case.id, str(after.index))
        keys = {kind: f"{shared}.{kind}" for kind in ("image", "truth", "prediction")}
        into.update({key: before.pictures[kind] for kind, key in keys.items()})  # type: ignore[index]
        into[f"{own}.prediction"], into[f"{own}.difference"] = after.pictures["prediction"], encoded(apart)
        clusters = f"{own}.clusters" if "clusters" in after.pictures else None
        if clusters:
            into[clusters] = after.pictures["clusters"]
        value, reference = after.values.get(metric.name), before.values.get(metric.name)
        yield Shot(
            name=after.name,
            before=amount(reference, metric),
            after=amount(value, metric),
            change=changed(value, reference, metric),
            loss=loss(value, reference, metric),
            apart="" if gradual else f"{100 * share(apart):.1f} %",
            image=keys["image"],
            truth=keys["truth"],
            baseline=keys["prediction"],
            plan=f"{own}.prediction",
            difference=f"{own}.difference",
            clusters=clusters,
        )
