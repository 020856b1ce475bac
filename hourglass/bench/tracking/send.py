"""Hands runs to Weights & Biases; a process of its own, ``python -m hourglass.bench.tracking.send RUNS.json FOLDER``.

It is one so that it can be ended from outside when it hangs, as it may without a network.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from hourglass.bench.tracking import pictures
from hourglass.bench.tracking.mode import mode as asked


def main(runs: Path, folder: Path) -> None:
    """Send the runs in a file, and print the mode and the number of runs as JSON."""
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR"):  # files of artifacts wait there until they are sent
        os.environ.setdefault(name, str(folder.absolute()))
    import wandb

    mode: Any = asked() or ("online" if wandb.login(prompt=False, verify=False) else "offline")
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
        x_save_requirements=False,
    )
    started = wandb.init(
        project=os.environ.get("WANDB_PROJECT", "hourglass"),
        dir=folder,
        mode=mode,
        id=run["id"],
        name=run["name"],
        group=run["group"],
        job_type=run["job_type"],
        tags=run["tags"],
        config=run["config"],
        allow_val_change=True,  # a run goes on after the code has changed
        resume="allow",
        reinit="finish_previous",
        settings=settings,
    )
    started.define_metric("*", step_metric="measured_at")
    # The service leaves out a step that the run has already.
    started.log({"measured_at": 60 * run["step"], **run["summary"]}, step=run["step"])
    started.summary.update(run["summary"])
    columns, rows = pictures.rows(run["galleries"], run["job_type"])
    if rows:
        table = wandb.Table(columns=columns)
        for row in rows:
            table.add_data(*(wandb.Image(cell, file_type="jpg") if hasattr(cell, "shape") else cell for cell in row))
        started.log({"gallery": table}, step=run["step"])
    if run["files"]:
        # Equal files are the same version, however often they are sent.
        artifact = wandb.Artifact(re.sub(r"[^\w.-]", "-", f"{run['group']}.{run['name']}")[:128], type="result")
        for file in run["files"]:
            artifact.add_file(file, name=Path(file).name)
        started.log_artifact(artifact)
    started.finish()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
