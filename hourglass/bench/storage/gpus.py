"""One process per GPU: where there are several, a process takes one that no other process of this project has."""

from __future__ import annotations

import os
import subprocess
import time

from hourglass.bench.storage import locks

VISIBLE = "CUDA_VISIBLE_DEVICES"


def claim() -> str | None:
    """Have CUDA show one GPU only, which is this process's for as long as it lives; waits until one is free.

    Must be called before CUDA starts. Where there is one GPU or none to choose from, nothing is done: whoever shares it
    out (a scheduler, or the limit of one job in the workflow) has done so already.

    Returns:
        The GPU, as `CUDA_VISIBLE_DEVICES` names it; None if there was no choice.
    """
    gpus = visible()
    if len(gpus) < 2:
        return None
    while True:
        for gpu in gpus:
            if locks.hold(locks.of_machine() / f"gpu-{gpu.replace(os.sep, '_')}.lock"):
                os.environ[VISIBLE] = gpu
                return gpu
        time.sleep(0.5)


def visible() -> list[str]:
    """Names of the GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` or the driver says; found without CUDA."""
    given = os.environ.get(VISIBLE)
    if given is not None:
        return [gpu.strip() for gpu in given.split(",") if gpu.strip()]
    command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return []
    return listed.stdout.split()
