"""Hands runs to Weights & Biases; a process of its own, ``python -m hourglass.bench.tracking.send RUNS.json FOLDER``.

It is one so that it can be ended from outside when it hangs, as it may without a network.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def main(runs: Path, folder: Path) -> None:
    """Send the runs in a file, and print the mode and the number of runs as JSON."""
    import wandb

    mode: Any = os.environ.get("WANDB_MODE") or ("online" if wandb.login(prompt=False, verify=False) else "offline")
    described = json.loads(runs.read_text(encoding="utf-8"))
    for run in described:
        _send(run, mode, folder)
    print(json.dumps({"mode": mode, "runs": len(described)}))


def _send(run: dict[str, Any], mode: Any, folder: Path) -> None:
    import wandb

    settings = wandb.Settings(
        silent=True,
        console="off",
        save_code=False,
        disable_git=True,
        x_disable_stats=True,
        x_disable_meta=True,  # the measurements carry their own provenance; nothing else is to leave the machine
        x_disable_machine_info=True,
    )
    started = wandb.init(
        project=os.environ.get("WANDB_PROJECT", "hourglass"),
        dir=folder,
        mode=mode,
        id=run["id"],
        name=run["name"],
        group=run["group"],
        job_type=run["job_type"],
        config=run["config"],
        resume="allow",
        reinit="finish_previous",
        settings=settings,
    )
    started.summary.update(run["summary"])
    started.finish()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
