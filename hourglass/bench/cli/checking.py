"""The command that asks a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hourglass.bench.cli.options import DATA, RESULTS, DataOption
from hourglass.registry import UserError


def gpu_check(
    output: Annotated[Path, typer.Option(help="Folder of gpu-check.json and gpu-check.md.")] = RESULTS / "gpu-check",
    minutes: Annotated[float, typer.Option(min=0.1, help="No step begins that would end later.")] = 8,
    rehearse: Annotated[bool, typer.Option(help="Run tiny models on the CPU, to see that everything works.")] = False,
    data: DataOption = DATA,
) -> None:
    """Check the hourglass on a GPU: speed, operators, accuracy and tests, without any download."""
    import torch

    if not (rehearse or torch.cuda.is_available()):
        raise UserError("gpu-check: torch sees no CUDA device, so nothing was checked; --rehearse runs on the CPU")
    from hourglass.bench.gpu_check import check
    from hourglass.bench.gpu_check.device import conditions
    from hourglass.bench.gpu_check.steps import all_steps, rehearsal

    device = torch.device("cpu" if rehearse else "cuda")
    steps = (rehearsal if rehearse else all_steps)(device, data)
    fine = check(steps, output, seconds=60 * minutes, head=conditions(device))
    print(output / "gpu-check.md")
    if not fine:
        raise typer.Exit(1)
