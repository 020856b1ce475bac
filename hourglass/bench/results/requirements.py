"""What a suite needs from elsewhere: files to be downloaded, the user's help with some of them, and time on a GPU."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import PositiveFloat, PositiveInt

from hourglass.bench import datasets, downloads, models
from hourglass.bench.backends import environments
from hourglass.bench.downloads import Artifact
from hourglass.bench.models.card import ModelCard
from hourglass.bench.results.records import path_of
from hourglass.bench.storage.documents import Document, read
from hourglass.bench.suites.suite import Experiment, Suite
from hourglass.bench.wording import counted, readable

EFFORT = Path(__file__).with_name("effort.yaml")
State = Literal["there", "download", "by hand"]


class Effort(Document):
    """What one evaluation of a model takes, as published; the head of ``effort.yaml`` explains the fields."""

    images: PositiveInt
    passes: PositiveInt
    fps: PositiveFloat


class Efforts(Document):
    """The content of ``effort.yaml``: efforts by model."""

    models: dict[str, Effort]


@dataclass(frozen=True)
class Need:
    """A file that a suite needs."""

    artifact: Artifact
    state: State
    reason: str
    """What the user has to do; empty if nothing."""


def of_dataset(name: str) -> tuple[str, ...]:
    """Ids of the downloads a data set is made of; none if the user has a copy of the whole, as `datasets.prepare` says.

    Raises:
        UserError: No data set has that name.
    """
    return () if downloads.own_copy(name) else datasets.DATASETS.get(name).artifacts


def of_experiment(experiment: Experiment, data: Path) -> list[Artifact]:
    """Files that are still needed before an experiment can run; of data and weights that are prepared, there are none.

    Args:
        experiment: Of a suite.
        data: Folder of all data.
    """
    card = models.card(experiment.model)
    prepared = (data / experiment.dataset / "ready.json").is_file()
    ids = () if prepared else of_dataset(experiment.dataset)
    if card.artifact and card.layout and not card.is_prepared(data):
        ids = (*ids, card.artifact)
    return [downloads.get(name) for name in ids]


def left_out(suite: Suite, *, data: Path, results: Path) -> dict[str, str]:
    """Cases whose accuracy and speed cannot be measured until the user has done something, and what, by their id.

    A case whose accuracy has been measured already is none of them.

    Args:
        suite: Which.
        data: Folder of all data.
        results: Folder of all results.
    """
    reasons = {experiment.id: _reason(experiment, data) for experiment in suite.experiments}
    return {
        case.id: reason
        for case in suite.cases
        if (reason := reasons[case.experiment]) and not path_of(results, case, "accuracy").is_file()
    }


def _reason(experiment: Experiment, data: Path) -> str | None:
    card = models.card(experiment.model)
    if card.backend and (absent := environments.missing(card.backend)):
        return absent
    if card.artifact and not card.layout:
        return f"the model '{card.name}' runs in a framework of its own alone"
    reasons = ((artifact.id, downloads.blocked_reason(artifact, data)) for artifact in of_experiment(experiment, data))
    return next((f"{name}: {blocked_reason}" for name, blocked_reason in reasons if blocked_reason), None)


def in_short(cases: Mapping[str, str]) -> str:
    """What `left_out` found, a line for each reason."""
    counts = Counter(cases.values())
    return "".join(
        f"left out: accuracy and speed of {counted(n, one='case')}: {reason}\n" for reason, n in counts.items()
    )


def needs(suite: Suite, data: Path) -> list[Need]:
    """All files that a suite needs, in the order of its experiments."""
    wanted = {a.id: a for experiment in suite.experiments for a in of_experiment(experiment, data)}
    found = []
    for artifact in wanted.values():
        reason = downloads.blocked_reason(artifact, data) or ""
        state: State = "there" if downloads.present(artifact, data) else "by hand" if reason else "download"
        found.append(Need(artifact, state, reason))
    return found


def gpu_hours(suite: Suite, without: Collection[str] = frozenset()) -> tuple[float, list[str]]:
    """Estimate of the hours one GPU needs for the accuracy of all cases, and the large models without one.

    Images times passes over images per second, each case as slow as its baseline. The figures are those the paper's
    authors published for their GPU, which they do not name; for Swin they timed the backbone alone. Reading images,
    metrics, and the timing of cases come on top.

    Args:
        suite: Which.
        without: Ids of cases that are left out.
    """
    efforts = read(EFFORT, Efforts).models
    seconds, unknown = 0.0, []
    for case in suite.cases:
        effort = efforts.get(case.model)
        if effort and case.id not in without:
            seconds += min(effort.images, case.images or effort.images) * effort.passes / effort.fps
        elif not effort and _is_large(models.card(case.model)) and case.model not in unknown:
            unknown.append(case.model)
    return seconds / 3600, unknown


def _is_large(card: ModelCard) -> bool:
    """Whether it is one of the paper's: downloaded whole, and not out of a package."""
    return card.artifact is not None and not card.shipped and downloads.get(card.artifact).package is None


def _size(artifacts: Collection[Artifact]) -> tuple[int, str]:
    """Bytes of all files whose size is known, and in words."""
    total = sum(artifact.size or artifact.about or 0 for artifact in artifacts)
    unknown = sum(not (artifact.size or artifact.about) for artifact in artifacts)
    return total, f"about {readable(total)}{f', and {unknown} of unknown size' if unknown else ''}"


def plan(suite: Suite, *, data: Path, results: Path) -> Iterator[str]:
    """What a suite needs, for people, line by line."""
    found = needs(suite, data)
    for need in found:
        size = need.artifact.size or need.artifact.about
        about = "" if need.artifact.size or not size else "about "
        shown = f"{about}{readable(size)}" if size else "unknown"
        yield f"{need.state:8}  {shown:>13}  {need.artifact.id:36}  {need.artifact.file}"
    without = left_out(suite, data=data, results=results)
    running = {case.experiment for case in suite.cases if case.id not in without}
    used = {
        artifact.id
        for experiment in suite.experiments
        if experiment.id in running
        for artifact in of_experiment(experiment, data)
    }
    missing = [need.artifact for need in found if need.state == "download"]
    coming = [artifact for artifact in missing if artifact.id in used]
    total, told = _size(coming)
    existing = next(folder for folder in (data.absolute(), *data.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(existing).free
    room = f"{readable(free)} are free in {existing}{', which is not enough' if free < total else ''}"
    yield f"to download: {counted(len(coming), one='file')}, {told}; {room}"
    if waiting := [artifact for artifact in missing if artifact.id not in used]:
        yield f"not yet: {counted(len(waiting), one='file')}, {_size(waiting)[1]}, of cases that are left out"
    if downloads.offline() and coming:
        yield f"{downloads.OFFLINE} is set: each file to download has to be placed in {(data / 'downloads').absolute()}"
    yield from (f"by hand: {need.artifact.id}: {need.reason}" for need in found if need.reason)
    yield from in_short(without).splitlines()
    hours, models_unknown = gpu_hours(suite, without)
    there = len(suite.cases) - len(without)
    if hours:
        yield (
            f"estimate: {hours:.1f} GPU hours for the accuracy of {counted(there, one='case')}, from published images "
            "per second of the untouched models on the authors' unnamed GPU (Swin: the backbone alone); timing not "
            "counted"
        )
    if models_unknown:
        yield f"no estimate for {', '.join(models_unknown)}: hourglass/bench/results/effort.yaml has none"
