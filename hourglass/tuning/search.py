"""The search for plans: what is lost is computed once for each, what is gained is timed against the model itself."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from torch import Tensor, nn

from hourglass.acceleration import Plan, apply, is_applied, remove
from hourglass.tuning.candidates import Candidate, Candidates
from hourglass.tuning.distortion import distortion
from hourglass.tuning.front import Front, Trial
from hourglass.tuning.timing import Clock, seconds, speedup

ROUNDS = 7
"""Interleaved rounds that a plan is timed in at first, and again when it is on the front."""
MOST_ROUNDS = 35

Score = Callable[[nn.Module], float]
Progress = Callable[[int, int, str], None]


def tune(
    model: nn.Module,
    images: Sequence[Any],
    *,
    score: Score | None = None,
    speedup: float | None = None,
    max_loss: float | None = None,
    budget: float = 300.0,
    state: Path | None = None,
    progress: Progress | None = None,
    clock: Clock = time.perf_counter,
    **fields: Any,
) -> Front:
    """Find the plans of a model that gain most speed for what they lose, by measuring on this machine.

    Plans are tried from one end of the range to the other, ever more densely, then next to the best of these, until the
    budget is used up. With a target, plans are left out that a tried one makes needless: milder than one that loses
    little enough, or stronger than one that is fast enough; and the search ends when no plan next to the chosen one is
    better. Every trial is timed in rounds in which the untouched and the accelerated model take turns, so drift of the
    machine hits both.

    Args:
        model: In evaluation mode, on the device it shall be fast on; it comes back as it was.
        images: What the model is called with, one entry a call: a tensor, a tuple of arguments, or a dict of them. The
            first one is what is timed. They should not be those that the result is reported on.
        score: From the model to a number of which more is better, such as an accuracy on labelled images; without it,
            the loss is the distortion of the model's own outputs on the images (`hourglass.tuning.distortion`).
        speedup: What is wanted, as of `Front.choose`; steers the search.
        max_loss: Likewise.
        budget: Seconds, after which no further plan is begun; at least one is tried.
        state: File that keeps every trial, so that a later call with the same model and images continues from there.
        progress: Called with the number of trials, the number of candidates, and the latest trial in words.
        clock: For tests.
        **fields: Of every `Plan`, beside start and clusters.

    Returns:
        The trials; `Front.choose` picks one. None of `Front.best` is slower than the model.

    Raises:
        ValueError: The model is in training mode, accelerated already or not supported, or there are no images.
    """
    if model.training:
        raise ValueError("tune takes a model in evaluation mode: call model.eval() first")
    if is_applied(model):
        raise ValueError(f"{type(model).__name__} is accelerated already: call hourglass.remove(model) first")
    if not images:
        raise ValueError("images: there are none; give at least one input of the model")
    with torch.inference_mode():
        session = _Session(model, images, score, clock)
        kept = _Kept(state, session.fingerprint())
        candidates = Candidates(model, session.run, **fields)
        planned = candidates.spread()
        trials: dict[Plan, Trial] = {}
        begin = clock()

        def attempt(candidate: Candidate) -> bool:
            """Whether there was time to try a plan."""
            if trials and clock() - begin > budget:
                return False
            trials[candidate.plan] = kept.get(candidate.plan) or kept.put(session.trial(candidate.plan))
            if progress is not None:
                progress(len(trials), len(planned), str(trials[candidate.plan]))
            return True

        for candidate in _from_coarse_to_fine(planned):
            if not _needless(candidate, planned, trials, speedup, max_loss) and not attempt(candidate):
                break
        for candidate in _next_to_best(candidates, trials, speedup, max_loss):
            planned.append(candidate)
            if not attempt(candidate):
                break
        front = Front(list(trials.values()), len(planned))
        for trial in front.best:
            if clock() - begin > budget:
                break
            if trial.rounds < MOST_ROUNDS:
                trials[trial.plan] = kept.put(session.trial(trial.plan, trial, MOST_ROUNDS))
    return Front(list(trials.values()), len(planned))


class _Session:
    """A model with its images, and what it does untouched."""

    def __init__(self, model: nn.Module, images: Sequence[Any], score: Score | None, clock: Clock) -> None:
        self.model, self.images, self.score, self.clock = model, images, score, clock
        tensors = [*model.parameters(), *model.buffers(), torch.zeros(())]
        self.device = tensors[0].device
        self.untouched = score(model) if score else None
        self.outputs = None if score else [_call(model, image) for image in images]

    def run(self) -> Any:
        """One call, on the first of the images."""
        return _call(self.model, self.images[0])

    def fingerprint(self) -> str:
        """What trials of another model, other images or another machine differ in."""
        sums = [float(value.double().sum()) for value in (*self.model.parameters(), *_values(self.images[0]))]
        baseline = len(self.images) if self.untouched is None else self.untouched
        machine = [str(self.device), torch.get_num_threads(), torch.__version__, os.cpu_count()]
        return json.dumps([type(self.model).__name__, len(sums), sum(sums), baseline, *machine])

    def trial(self, plan: Plan, before: Trial | None = None, rounds: int | None = None) -> Trial:
        """What a plan loses and gains; of one that was tried, only the timing is repeated."""
        rounds = rounds or ROUNDS
        ratios = self._ratios(plan, rounds)
        low, middle, high = speedup(ratios)
        loss, error = (before.loss, before.error) if before else self._loss(plan)
        return Trial(plan, middle, low, high, loss, error, rounds)

    def _ratios(self, plan: Plan, rounds: int) -> list[float]:
        durations: list[tuple[float, float]] = []
        for turn in range(rounds + 1):
            whole = seconds(self.run, self.device, self.clock)
            apply(self.model, plan)
            try:
                self.run()  # what a plan keeps from its first pass belongs to no timing
                durations.append((whole, seconds(self.run, self.device, self.clock)))
            finally:
                remove(self.model)
            if turn == 0:
                durations.clear()
        return [whole / few for whole, few in durations]

    def _loss(self, plan: Plan) -> tuple[float, float | None]:
        apply(self.model, plan)
        try:
            if self.score is not None and self.untouched is not None:
                return (self.untouched - self.score(self.model)) / abs(self.untouched or 1.0), None
            assert self.outputs is not None
            pairs = zip(self.images, self.outputs, strict=True)
            lost = [distortion(_call(self.model, image), output) for image, output in pairs]
        finally:
            remove(self.model)
        return mean(lost), stdev(lost) / len(lost) ** 0.5 if len(lost) > 1 else None


class _Kept:
    """Trials in a file, of this model and these images."""

    def __init__(self, path: Path | None, fingerprint: str) -> None:
        self.path, self.fingerprint = path, fingerprint
        self.trials: dict[Plan, Trial] = {}
        if path is not None and path.is_file():
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
                if content["fingerprint"] == fingerprint:
                    loaded = [Trial(**{**entry, "plan": Plan(**entry["plan"])}) for entry in content["trials"]]
                    self.trials = {trial.plan: trial for trial in loaded}
            except (ValueError, KeyError, TypeError):
                raise ValueError(f"{path}: holds no trials of a search for plans; delete it or name another") from None

    def get(self, plan: Plan) -> Trial | None:
        return self.trials.get(plan)

    def put(self, trial: Trial) -> Trial:
        self.trials[trial.plan] = trial
        if self.path is not None:
            content = {"fingerprint": self.fingerprint, "trials": [asdict(trial) for trial in self.trials.values()]}
            unfinished = self.path.with_name(f".{self.path.name}.partial")
            unfinished.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
            unfinished.replace(self.path)
        return trial


def _call(model: nn.Module, image: Any) -> Any:
    if isinstance(image, Mapping):
        return model(**image)
    return model(*image) if isinstance(image, (tuple, list)) else model(image)


def _values(image: Any) -> list[Tensor]:
    parts = image.values() if isinstance(image, Mapping) else image if isinstance(image, (tuple, list)) else [image]
    return [part for part in parts if isinstance(part, Tensor)]


def _from_coarse_to_fine(planned: list[Candidate]) -> list[Candidate]:
    """The middle, then the middles of both halves, and so on: whenever one stops, the range is evenly covered."""
    order, spans = [], [(0, len(planned))]
    for begin, end in spans:
        if begin < end:
            middle = (begin + end) // 2
            order.append(planned[middle])
            spans += [(begin, middle), (middle + 1, end)]
    return order


def _next_to_best(
    candidates: Candidates, trials: Mapping[Plan, Trial], speedup: float | None, max_loss: float | None
) -> Iterator[Candidate]:
    """Plans next to the chosen one, or to any on the front, that have not been tried, as long as there are any."""
    while True:
        front = Front(list(trials.values()), 0)
        best = list(front.best)
        if speedup is not None or max_loss is not None:
            try:
                best = [front.choose(speedup=speedup, max_loss=max_loss)]
            except ValueError:  # nothing serves the target yet: whatever comes near may lead there
                best = best[:1] if speedup is None else best[-1:]
        near = (candidate for trial in best for candidate in candidates.around(trial.plan))
        candidate = next((candidate for candidate in near if candidate.plan not in trials), None)
        if candidate is None:
            return
        yield candidate


def _needless(
    candidate: Candidate,
    planned: list[Candidate],
    trials: Mapping[Plan, Trial],
    speedup: float | None,
    max_loss: float | None,
) -> bool:
    """Whether a tried plan is sure to serve the target better."""
    for other in planned:
        trial = trials.get(other.plan)
        if trial is None or not trial.faster:
            continue
        if max_loss is not None and trial.loss <= max_loss and candidate.is_milder_than(other):
            return True
        if speedup is not None and trial.low >= speedup and other.is_milder_than(candidate):
            return True
    return False
