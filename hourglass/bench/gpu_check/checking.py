"""Steps in order of their worth, each guarded, and each result written at once."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from hourglass.bench.gpu_check.page import page
from hourglass.bench.storage.files import write_json, write_text

Facts = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One question to the device.

    Attributes:
        kind: Which of the page's tables the answer is a row of.
        name: Of the step.
        seconds: That must be left for it to begin.
        run: Asks; what it returns is written as JSON. ``agrees`` in it says whether all is as it should be.
    """

    kind: str
    name: str
    seconds: float
    run: Callable[[], Facts]


def check(steps: Sequence[Step], output: Path, *, seconds: float, head: Facts) -> bool:
    """Run steps until all are done or time is up.

    Args:
        steps: In order of their worth.
        output: Folder of ``gpu-check.json`` and ``gpu-check.md``, written anew after every step.
        seconds: Of all steps together. None begins that would end later.
        head: What all of them hold under.

    Returns:
        Whether no step failed and everything agrees.
    """
    begin = perf_counter()
    answers = [{"kind": step.kind, "name": step.name, "state": "not reached"} for step in steps]
    for step, answer in zip(steps, answers, strict=True):
        left = seconds - (perf_counter() - begin)
        answer.update(
            _answered(step)
            if left >= step.seconds
            else {"state": "left out", "reason": f"it takes {step.seconds:.0f} s, {max(left, 0):.0f} s were left"}
        )
        found = {**head, "seconds": perf_counter() - begin, "steps": answers}
        write_json(output / "gpu-check.json", found)
        write_text(output / "gpu-check.md", page(found))
        print(f"{answer['state']:8}  {step.kind}: {step.name}", flush=True)
    return all(answer["state"] != "failed" and answer.get("agrees", True) for answer in answers)


def _answered(step: Step) -> Facts:
    begin = perf_counter()
    try:
        answer = {"state": "done", **step.run()}
    except Exception as error:  # whatever a driver may raise: the steps behind are still worth asking
        reason = (str(error) or type(error).__name__).splitlines()[0]
        answer = {"state": "failed", "reason": reason, "traceback": traceback.format_exc()}
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return {**answer, "took": perf_counter() - begin}
