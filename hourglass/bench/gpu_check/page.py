"""The answers as one page of Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

Answer = dict[str, Any]


def page(found: dict[str, Any]) -> str:
    """What is known so far.

    Args:
        found: As it is written to ``gpu-check.json``.
    """
    done: list[Answer] = [answer for answer in found["steps"] if answer["state"] == "done"]
    missing = [answer for answer in found["steps"] if answer["state"] != "done"]
    lines = [f"# GPU check: {found['device']}", "", _conditions(found), ""]
    for kind, (title, table) in _TABLES.items():
        if chosen := [answer for answer in done if answer["kind"] == kind]:
            lines += [f"## {title}", "", *table(chosen), ""]
    if missing:
        lines += ["## Not known", ""]
        lines += [f"- {each['kind']}, {each['name']}: {each['state']} {each.get('reason', '')}" for each in missing]
        lines += [""]
    return "\n".join(lines)


def _conditions(found: dict[str, Any]) -> str:
    torch = found["packages"].get("torch")
    cuda = f", CUDA {found['cuda']}, cuDNN {found['cudnn']}" if found["cuda"] else ""
    return f"PyTorch {torch}{cuda}, Python {found['python']}; {found['seconds']:.0f} s. All figures: gpu-check.json."


def _speeds(answers: Sequence[Answer]) -> Iterator[str]:
    yield "At batch 1: medians, and speed-ups with their 95 % interval. What is estimated: docs/gpu-design.md."
    yield ""
    head = ("model", "form", "baseline ms", "ms", "speed-up", "control", "saves ms", "estimated", "kernels")
    yield from _head(*head, "throughput", "peak MiB")
    for answer in answers:
        for form, saved in answer["saved_ms"].items():
            memory = answer.get("peak_mib", {})
            yield _line(
                answer["name"],
                form,
                _number(answer["latency_ms"]["baseline"]),
                _number(answer["latency_ms"][form]),
                _interval(answer["speedup"][form]),
                _interval(answer["speedup"]["control"]),
                _number(saved),
                _number(answer.get("estimated_saved_ms", {}).get(form)),
                f"{_number(answer['kernels']['baseline'])} to {_number(answer['kernels'][form])}",
                _interval(answer.get("throughput_speedup", {}).get(form)),
                f"{_number(memory.get('baseline'))} to {_number(memory.get(form))}",
            )


def _operators(answers: Sequence[Answer]) -> Iterator[str]:
    yield "Clustering and reconstruction alone, beside the authors' dense formula."
    yield ""
    yield from _head("plan", "form", "dense ms", "ms", "estimated", "times faster", "control", "kernels", "estimated")
    for answer in answers:
        for form in (name for name in answer["latency_ms"] if name not in ("baseline", "control")):
            yield _line(
                answer["name"],
                form,
                _number(answer["latency_ms"]["baseline"]),
                _number(answer["latency_ms"][form]),
                _number(answer.get("estimated_ms", {}).get(form)),
                _interval(answer["speedup"][form]),
                _interval(answer["speedup"]["control"]),
                _number(answer["kernels"].get(form)),
                _number(answer.get("estimated_kernels", {}).get(form)),
            )


def _accuracies(answers: Sequence[Answer]) -> Iterator[str]:
    tolerances = answers[0]["tolerances"]
    told = ", ".join(f"{most:g} in {precision}" for precision, most in tolerances.items())
    yield f"On {answers[0]['images']} images of each data set. Metrics may differ from the CPU's by {told}."
    yield ""
    yield from _head("case", "metric", "CPU, float32", *tolerances, "agrees")
    for row in (row for answer in answers for row in answer["rows"]):
        values = (_number(row[precision], 4) for precision in ("cpu", *tolerances))
        yield _line(row["case"], row["metric"], *values, "yes" if row["agrees"] else "NO")


def _tests(answers: Sequence[Answer]) -> Iterator[str]:
    for answer in answers:
        yield ", ".join(f"{number} {kind}" for kind, number in answer["counts"].items())
        yield from (f"- {failure}" for failure in answer["failures"])


_TABLES: dict[str, tuple[str, Callable[[Sequence[Answer]], Iterator[str]]]] = {
    "speed": ("Speed", _speeds),
    "operators": ("Operators", _operators),
    "accuracy": ("Accuracy", _accuracies),
    "tests": ("Tests marked gpu", _tests),
}


def _head(*titles: str) -> Iterator[str]:
    yield _line(*titles)
    yield _line(*("---" for _ in titles))


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else str(value) if isinstance(value, int) else f"{value:.{digits}f}"


def _interval(bounds: Sequence[float] | None) -> str:
    return "–" if bounds is None else f"{bounds[1]:.2f} ({bounds[0]:.2f} to {bounds[2]:.2f})"
