"""Training of the reference models. The suite never imports this: it measures what is shipped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hourglass.registry import Registry

if TYPE_CHECKING:
    from hourglass.bench.training.recipes import Recipe

_MODULE = "hourglass.bench.training.recipes"
RECIPES: Registry[Recipe] = Registry(
    "recipe",
    {
        "vit-scenes": f"{_MODULE}:VIT_SCENES",
        "segmenter-scenes": f"{_MODULE}:SEGMENTER_SCENES",
        "dpt-scenes": f"{_MODULE}:DPT_SCENES",
        "fcos-scenes": f"{_MODULE}:FCOS_SCENES",
        "vitdet-scenes": f"{_MODULE}:VITDET_SCENES",
        "vitmask-scenes": f"{_MODULE}:VITMASK_SCENES",
        "mask2former-scenes": f"{_MODULE}:MASK2FORMER_SCENES",
        "dinov2-camvid": f"{_MODULE}:DINOV2_CAMVID",
        "dinov2-bccd": f"{_MODULE}:DINOV2_BCCD",
        "fcos-bccd": f"{_MODULE}:FCOS_BCCD",
    },
)


def run(name: str, output: Path, data: Path, *, seed: int = 0, threads: int = 1) -> Path:
    """Train a model, its parent first, and save its weights in half precision.

    Killed and started again it continues from its last checkpoint; what is finished is not repeated.

    Args:
        name: A name of `RECIPES`.
        output: Folder of the checkpoints and of the result, ``<name>.safetensors``.
        data: Folder of the training data.
        seed: Of the initial weights and of the batches.
        threads: CPU threads; more than one is faster, but only one is the same on every machine of a kind.

    Raises:
        UserError: No recipe has that name.
    """
    import torch
    from safetensors.torch import load_file, save_file

    from hourglass.bench.training.loop import fit

    recipe, result = RECIPES.get(name), output / f"{name}.safetensors"
    if result.is_file():
        return result
    start = load_file(run(recipe.parent, output, data, seed=seed, threads=threads)) if recipe.parent else None

    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    model = recipe.build()
    if start is not None and recipe.adopt is not None:
        recipe.adopt(model, start)
    for number, stage in enumerate(recipe.stages(data)):
        fit(model, stage, output / f"{name}.{number}.pt", seed=seed + number, title=f"{name} stage {number + 1}")
    kept = recipe.keep(model) if recipe.keep else model
    state = kept.state_dict()
    save_file({k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in state.items()}, result)
    return result
