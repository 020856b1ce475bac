"""One training loop for every recipe: resumable to the step, and the same whether it was interrupted or not."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

CHECKPOINT_SECONDS = 60.0
REPORT_STEPS = 50


@dataclass(frozen=True)
class Stage:
    """A stretch of training with one objective.

    Attributes:
        objective: From the model and the step's own random generator to a scalar loss; it draws its batch itself.
        steps: Number of optimiser steps.
        learning_rate: Peak of the schedule: a linear warm-up over the first 5 %, then a cosine to 1 % of it.
        weight_decay: Of AdamW, on matrices only.
        clip: Largest norm of the gradient.
        average: What the moving average of the weights keeps of itself each step. The average is what the stage leaves;
            without one, the weights as the last step left them.
    """

    objective: Callable[[nn.Module, np.random.Generator], Tensor]
    steps: int
    learning_rate: float
    weight_decay: float = 0.05
    clip: float = 1.0
    average: float | None = None


def fit(model: nn.Module, stage: Stage, checkpoint: Path, *, seed: int, title: str) -> None:
    """Train ``model`` in place, continuing from ``checkpoint`` if it exists and leaving the finished state there.

    Every step draws from a generator seeded by (seed, step), so an interrupted run continues on the same batches.
    """
    matrices = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": stage.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=stage.learning_rate,
    )
    average = None if stage.average is None else AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(stage.average))
    training = _Training(checkpoint, model, optimizer, average)
    first = training.resume()
    saved_at, losses = time.monotonic(), []
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[loss]}"), TimeRemainingColumn())
    model.train()
    with Progress(*columns) as progress:
        bar = progress.add_task(title, total=stage.steps, completed=first, loss="")
        for step in range(first, stage.steps):
            rng = np.random.default_rng([seed, step])
            torch.manual_seed(int(rng.integers(2**31)))
            for group in optimizer.param_groups:
                group["lr"] = stage.learning_rate * _schedule(step / stage.steps)
            optimizer.zero_grad(set_to_none=True)
            loss = stage.objective(model, rng)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), stage.clip)
            optimizer.step()
            if average is not None:
                average.update_parameters(model)

            losses.append(loss.item())
            if (step + 1) % REPORT_STEPS == 0:
                text = f"loss {np.mean(losses[-REPORT_STEPS:]):.4f}"
                progress.update(bar, completed=step + 1, loss=text)
                if not progress.console.is_terminal:
                    print(f"{title} {step + 1}/{stage.steps} {text}", flush=True)
            if time.monotonic() - saved_at > CHECKPOINT_SECONDS:
                training.save(step + 1)
                saved_at = time.monotonic()
    training.save(stage.steps)
    if average is not None:
        model.load_state_dict(average.module.state_dict())
    model.eval()


def _schedule(progress: float) -> float:
    warmup = min(progress / 0.05, 1.0)
    return warmup * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


@dataclass(frozen=True)
class _Training:
    """What a checkpoint holds."""

    checkpoint: Path
    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: AveragedModel | None

    def resume(self) -> int:
        """The number of steps that have been made."""
        if not self.checkpoint.is_file():
            return 0
        state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        return int(state["step"])

    def save(self, step: int) -> None:
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        partial = self.checkpoint.with_suffix(".partial")
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "step": step}
        if self.average is not None:
            state["average"] = self.average.state_dict()
        torch.save(state, partial)
        os.replace(partial, self.checkpoint)
