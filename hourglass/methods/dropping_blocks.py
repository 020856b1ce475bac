"""Blocks that drop tokens between their attention and their MLP, in timm's ViT and in transformers' DPT."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn
from transformers.models.dpt.modeling_dpt import DPTModel, DPTViTLayer

from hourglass.methods.dropping import Dropping, drop

SUPPORTED = "timm VisionTransformer with plain blocks and one class token (Segmenter's too), and transformers' DPT"


def attach(model: nn.Module, around: Passing) -> None:
    """Have an encoder in `model` drop tokens and hand all of them out.

    Raises:
        ValueError: There is none, or it does not fit. Nothing is changed then.
    """
    for module in model.modules():
        if isinstance(module, VisionTransformer):
            if module.num_prefix_tokens != 1:
                raise ValueError(f"it needs one class token and no other prefix; supported: {SUPPORTED}")
            _swap(list(module.blocks), Block, _DroppingBlock, around)
            module.patch_embed.register_forward_hook(around.begin)
            module.norm.register_forward_hook(around.end)
            return
        if isinstance(module, DPTModel):
            _swap(list(module.encoder.layer), DPTViTLayer, _DroppingLayer, around)
            module.embeddings.register_forward_hook(around.begin)
            module.register_forward_hook(around.hand_out)
            return
    raise ValueError(f"{type(model).__name__} has no encoder that is known to it; supported: {SUPPORTED}")


@dataclass
class Passing:
    """What decides which tokens are dropped, and what a forward pass has dropped so far.

    Attributes:
        keep_rate: Share of the tokens behind the class token that a dropping block keeps.
        blocks: That drop, counted from 0.
        neighbors: Kept tokens that a dropped one is reconstructed from.
        temperature: Of the reconstruction.
        droppings: By dropping block; None where all tokens stayed.
    """

    keep_rate: float
    blocks: Sequence[int]
    neighbors: int
    temperature: float
    droppings: list[Dropping | None] = field(default_factory=list)

    def begin(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """Forget the pass before."""
        self.droppings = []

    def narrow(self, tokens: Tensor, queries: Tensor, keys: Tensor) -> Tensor:
        """Tokens (B, 1 + N, C) to (B, 1 + K + 1, C), by queries and keys (B, heads, 1 + N, D) of their attention."""
        scores = queries[:, :, :1] @ keys.transpose(2, 3) * queries.shape[-1] ** -0.5
        attention = scores.softmax(dim=-1)[:, :, 0, 1:].mean(dim=1)
        kept = math.ceil(self.keep_rate * (tokens.shape[1] - 1))
        if kept == tokens.shape[1] - 1:
            self.droppings.append(None)
            return tokens
        few, dropping = drop(tokens[:, 1:], attention, kept)
        self.droppings.append(dropping)
        return torch.cat([tokens[:, :1], few], dim=1)

    def widen(self, tokens: Tensor, run: int | None = None) -> Tensor:
        """All tokens again, of those that come out of the first `run` blocks; None for all blocks."""
        done = len({block for block in self.blocks if run is None or block < run})
        behind = tokens[:, 1:]
        for dropping in reversed(self.droppings[:done]):
            if dropping is not None:
                behind = dropping.undo(behind, self.neighbors, self.temperature)
        return torch.cat([tokens[:, :1], behind], dim=1)

    def end(self, norm: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        """All tokens, of those that leave the encoder."""
        return self.widen(output)

    def hand_out(self, model: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        """All tokens in what DPT's encoder returns."""
        output["last_hidden_state"] = self.widen(output["last_hidden_state"])
        if output.get("hidden_states") is not None:
            output["hidden_states"] = tuple(self.widen(state, run) for run, state in enumerate(output["hidden_states"]))
        return output


class _DroppingBlock(Block):  # type: ignore[misc]
    """timm's block, which drops tokens between its attention and its MLP."""

    dropping: Passing

    def forward(self, x: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        attention, seen = self.attn, list[Tensor]()
        with attention.qkv.register_forward_hook(_into(seen)):
            x = x + self.drop_path1(self.ls1(attention(self.norm1(x), attn_mask=attn_mask, is_causal=is_causal)))
        queries, keys, _ = seen[0].unflatten(2, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)
        x = self.dropping.narrow(x, attention.q_norm(queries), attention.k_norm(keys))
        tokens: Tensor = x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))
        return tokens


class _DroppingLayer(DPTViTLayer):  # type: ignore[misc]
    """DPT's layer, likewise."""

    dropping: Passing

    def forward(self, hidden_states: Tensor, **kwargs: Any) -> Tensor:
        attention, queries, keys = self.attention.attention, list[Tensor](), list[Tensor]()
        with (
            attention.query.register_forward_hook(_into(queries)),
            attention.key.register_forward_hook(_into(keys)),
        ):
            hidden_states = self.attention(self.layernorm_before(hidden_states), **kwargs) + hidden_states
        by_head = (
            (few[0].unflatten(2, (attention.num_attention_heads, -1)).transpose(1, 2)) for few in (queries, keys)
        )
        hidden_states = self.dropping.narrow(hidden_states, *by_head)
        tokens: Tensor = self.output(self.intermediate(self.layernorm_after(hidden_states)), hidden_states)
        return tokens


def _into(seen: list[Tensor]) -> Any:
    return lambda module, args, output: seen.append(output)


def _swap(blocks: list[nn.Module], known: type[nn.Module], dropping: type[nn.Module], around: Passing) -> None:
    """Have the blocks that drop do so; none is changed if one does not fit."""
    for block in blocks:
        if type(block) is dropping:
            raise ValueError("tokens are dropped in this model already")
        if type(block) is not known:
            raise ValueError(f"a block of class {type(block).__name__} is not known to it; supported: {SUPPORTED}")
    if max(around.blocks) >= len(blocks):
        raise ValueError(f"blocks {list(around.blocks)}: the encoder has {len(blocks)}, from 0 on")
    for index in around.blocks:
        blocks[index].__class__ = dropping
        blocks[index].dropping = around  # type: ignore[assignment]
