"""What a stored run keeps: times, and nothing that tells whose machine it was."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

import torch

STORED = Path(__file__).parent / "stored" / "operators.json"


def pytest_benchmark_update_machine_info(config, machine_info):
    machine_info.clear()
    machine_info.update(
        {
            "machine": platform.machine(),
            "cpu": {"count": os.cpu_count()},
            "python": platform.python_version(),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        }
    )


def pytest_sessionstart(session):
    session.config.load_before = os.getloadavg()[0]


def pytest_benchmark_update_json(config, benchmarks, output_json):
    output_json["commit_info"] = {"id": output_json["commit_info"].get("id")}
    for benchmark in output_json["benchmarks"]:
        benchmark["stats"].pop("data", None)
        benchmark["options"] = {}


def pytest_terminal_summary(terminalreporter, config):
    """The ratios, which other than times can be compared between machines."""
    session = getattr(config, "_benchmarksession", None)
    measured = {b.fullname: b.extra_info for b in session.benchmarks if b.extra_info} if session else {}
    if not measured:
        return
    stored = json.loads(STORED.read_text())["benchmarks"] if STORED.is_file() else []
    before = {benchmark["fullname"]: benchmark["extra_info"] for benchmark in stored}
    terminalreporter.section("against the plain form in the same process (median of ratios, quartiles; stored run)")
    terminalreporter.write_line(
        f"load average {config.load_before:.1f} before, {os.getloadavg()[0]:.1f} after, of which "
        f"{torch.get_num_threads()} are these timings; a control far from 1 tells that other work disturbed them"
    )
    for name, info in measured.items():
        figures = "   ".join(f"{key} {describe(value)}" for key, value in info.items())
        terminalreporter.write_line(f"{name.rpartition('::')[2]:58} {figures}")
        if name in before:
            figures = "   ".join(f"{key} {describe(value)}" for key, value in before[name].items())
            terminalreporter.write_line(f"{'  stored':58} {figures}")


def describe(value):
    return " / ".join(f"{number:.2f}" for number in value) if isinstance(value, list) else f"{value:.3g}"
