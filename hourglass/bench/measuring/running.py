"""A case made to run: model, method, precision, device and threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from hourglass import methods
from hourglass.bench import datasets, models
from hourglass.bench.models.inference import Inference, whole
from hourglass.bench.suites.suite import Case
from hourglass.registry import UserError


@dataclass(frozen=True)
class Runner:
    """A model that takes images and runs in one precision on one device."""

    model: nn.Module
    device: torch.device
    precision: torch.dtype
    inference: Inference = whole

    def __call__(self, images: Tensor) -> Any:
        """Output for float32 images (B, 3, H, W) in [0, 1] on the runner's device."""
        with torch.inference_mode(), self._autocast():
            return self.inference(self.model, images)

    def attention(self, images: Tensor) -> str:
        """Names of the fused attention kernels that run, or ``explicit`` if there are none."""
        with torch.no_grad(), self._autocast(), _Names() as seen:
            self.inference(self.model, images)
        marker = "_scaled_dot_product_"
        kernels = sorted(name.removeprefix(marker) for name in seen.names if name.startswith(marker))
        return ", ".join(kernels) or "explicit"

    def _autocast(self) -> torch.autocast:
        reduced = self.precision != torch.float32
        return torch.autocast(self.device.type, self.precision if reduced else None, enabled=reduced)


class _Names(TorchDispatchMode):
    """Names of the operators that ran."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def build(case: Case, device: torch.device, method: str | None = None) -> Runner:
    """The case's model with its weights, changed by its method.

    Args:
        case: What to run.
        device: Where; the meta device takes a model without weights.
        method: Another method than the case's: ``baseline``, for the model as it was.

    Raises:
        UserError: A name is unknown, weights are missing, or the settings do not fit.
    """
    model = models.skeleton(case.model) if device.type == "meta" else models.build(case.model)
    model = methods.apply(method or case.method, model, {} if method else case.settings)
    return Runner(model.to(device).eval(), device, getattr(torch, case.precision))


def device_named(name: str) -> torch.device:
    """A device, checked to be there.

    Raises:
        UserError: It is not.
    """
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"device: '{name}' asked for, but torch sees no CUDA device; use 'cpu'")
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise UserError(f"device: '{name}' is none that torch knows; use 'cpu' or 'cuda'") from error


def to_float(images: Tensor) -> Tensor:
    """Uint8 images to float32 in [0, 1]."""
    return images.float() / 255


def example(case: Case, batch: int, data_root: Path | None) -> Tensor:
    """A batch of images (B, 3, H, W) of the size the model is timed on, float32 in [0, 1], the same every time.

    Args:
        case: Says which model and data set.
        batch: B.
        data_root: Folder of the prepared data sets, whose first images are taken; None makes some up.
    """
    size = models.card(case.model).image_size
    if data_root is None:
        coarse = torch.rand(batch, 3, 16, 16, generator=torch.Generator().manual_seed(case.seed))
        return F.interpolate(coarse, size, mode="bilinear", align_corners=False)
    data = datasets.load(case.dataset, case.task, root=data_root)
    images = [to_float(data[index % len(data)].image)[None] for index in range(batch)]
    return torch.cat([F.interpolate(image, size, mode="bilinear", antialias=True) for image in images])


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Run operators on so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Whatever is random follows from the seed, and kernels are chosen for being the same every time."""
    benchmark, deterministic = torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        try:
            yield
        finally:
            torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = benchmark, deterministic
