"""A model made to run: precision, device and threads, and the images it runs on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from hourglass.bench.datasets import Dataset
from hourglass.bench.models.inference import Inference, whole
from hourglass.bench.suites.case import USUAL_FORMAT, MemoryFormat
from hourglass.registry import UserError

FORMATS: dict[MemoryFormat, torch.memory_format] = {
    "contiguous": torch.preserve_format,  # what images and weights are from the beginning
    "channels_last": torch.channels_last,
}


@dataclass(frozen=True)
class Runner:
    """A model that takes images and runs in one precision on one device.

    Attributes:
        model: In evaluation mode, on the device.
        device: Which.
        precision: The lowest that operators run in.
        inference: How images go through the model.
        memory_format: How images are laid out in memory before they go in.
        weights: What tells the model's weights from others: their SHA-256; None if it has none.
    """

    model: nn.Module
    device: torch.device
    precision: torch.dtype
    inference: Inference = whole
    weights: str | None = None
    memory_format: torch.memory_format = torch.preserve_format

    def __call__(self, images: Tensor) -> Any:
        """Output for float32 images (B, 3, H, W) in [0, 1] on the runner's device."""
        with torch.inference_mode(), self._autocast():
            return self.inference(self.model, images.to(memory_format=self.memory_format))

    def as_is(self) -> Runner:
        """The same without what images go through for accuracy."""
        return replace(self, inference=whole)

    def attention(self, images: Tensor) -> str:
        """Names of the fused attention kernels that run, or ``explicit`` if there are none."""
        with torch.no_grad(), self._autocast(), _Names() as seen:
            self.inference(self.model, images.to(memory_format=self.memory_format))
        marker = "_scaled_dot_product_"
        kernels = sorted(name.removeprefix(marker) for name in seen.names if name.startswith(marker))
        return ", ".join(kernels) or "explicit"

    def conditions(self, *, threads: int, attention: str | None, data: str | None) -> dict[str, Any]:
        """What a measurement of it holds under, as in `Result`."""
        return {
            "device": str(self.device),
            "threads": threads,
            "attention": attention,
            "data": data,
            "weights": self.weights,
        }

    def _autocast(self) -> AbstractContextManager[object]:
        if self.device.type == "meta":  # which torch.autocast does not know
            return nullcontext()
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


def placed(model: nn.Module, device: torch.device, memory_format: MemoryFormat) -> nn.Module:
    """A model, moved to a device and laid out in memory, in evaluation mode.

    Raises:
        UserError: The model cannot be laid out so.
    """
    try:
        return model.to(device, memory_format=FORMATS[memory_format]).eval()  # type: ignore[call-overload,no-any-return]
    except RuntimeError as error:
        if memory_format == USUAL_FORMAT:
            raise
        raise UserError(f"memory_format: the model cannot be '{memory_format}': {error}") from error


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


def example(size: tuple[int, int], batch: int, data: Dataset | None = None, *, seed: int = 0) -> Tensor:
    """A batch of images (B, 3, H, W), float32 in [0, 1], the same every time.

    Args:
        size: Height and width.
        batch: B.
        data: Whose first images are taken; None makes some up.
        seed: Of those that are made up.
    """
    if data is None:
        coarse = torch.rand(batch, 3, 16, 16, generator=torch.Generator().manual_seed(seed))
        return F.interpolate(coarse, size, mode="bilinear", align_corners=False)
    images = [to_float(data[index % len(data)].image)[None] for index in range(batch)]
    return torch.cat([F.interpolate(image, size, mode="bilinear", antialias=True) for image in images])


def weights_digest(model: nn.Module) -> str:
    """SHA-256, hexadecimal, of the weights that a model has, whatever files they are from."""
    total = sha256()
    for name, value in sorted(model.state_dict().items()):
        if isinstance(value, Tensor):
            total.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
            total.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


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
