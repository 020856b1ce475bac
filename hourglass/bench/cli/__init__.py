"""The command line: each step of the workflow, to be repeated by hand.

What a command needs is imported when it runs, so that a command that measures nothing does not wait for torch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path

import typer

from hourglass.bench.cli import checking, demonstration, inputs, measurements, outcomes, tuning, watching
from hourglass.bench.cli.options import including
from hourglass.bench.storage import runlock
from hourglass.bench.storage.files import FULL
from hourglass.registry import UserError

FOLDER = "HOURGLASS_FOLDER"
"""Environment variable: where relative paths begin, if not in the current folder."""

PANELS: dict[str, dict[str, Callable[..., None]]] = {
    "What there is, and what a suite needs": {
        "list": inputs.list_names,
        "validate": inputs.validate,
        "plan": inputs.plan,
        "prepare": inputs.prepare,
        "fetch": inputs.fetch,
        "convert": inputs.convert,
        "train": inputs.train,
    },
    "Measuring a case": {
        "accuracy": measurements.accuracy,
        "merge": measurements.merge,
        "cost": measurements.cost,
        "speed": measurements.speed,
        "gpu-check": checking.gpu_check,
    },
    "Running a suite": {
        "watch": watching.watch,
        "status": watching.status,
    },
    "What came out": {
        "export": outcomes.export,
        "tables": outcomes.write_tables,
        "report": outcomes.report,
        "verdict": outcomes.verdict,
        "check": outcomes.check,
        "accept": outcomes.accept,
        "annotate": outcomes.annotate,
        "track": outcomes.track,
        "wandb-report": outcomes.wandb_report,
    },
    "Using it": {"tune": tuning.tune, "demo": demonstration.demo},
}
"""What `hourglass --help` shows, in this order."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Measure what the hourglass does to accuracy, cost and speed of trained vision transformers.",
)
for panel, commands in PANELS.items():
    for name, command in commands.items():
        app.command(name, rich_help_panel=panel)(including(command))


def main() -> None:
    """Run the command line; an error that the user can fix is one line and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no α shows something else
    try:
        if state := os.environ.get(runlock.RUN):
            runlock.join(Path(state))
        if folder := os.environ.get(FOLDER):
            os.chdir(folder)
        app()
    except UserError as error:
        sys.exit(_failure(str(error)))
    except OSError as error:
        if isinstance(error, BrokenPipeError) or not (error.filename or error.errno in FULL):
            raise
        where = error.filename or "disk"
        sys.exit(_failure(f"{os.fsdecode(where) if isinstance(where, (str, bytes)) else where}: {error.strerror}"))


def _failure(message: str) -> int:
    print(f"hourglass: {message}", file=sys.stderr)
    return 2
