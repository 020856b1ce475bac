"""Blocks that drop tokens between their attention and their MLP, in timm's ViT and in transformers' DPT."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hourglass.acceleration.patch import Patch, patch_of
from hourglass.methods.dropping import Dropping, drop
from hourglass.methods.patching import DPT_LAYER, VIT_BLOCK, is_a

SUPPORTED = "timm VisionTransformer with plain blocks and one class token (Segmenter's too), and transformers' DPT"


class _Pass(threading.local):
    """What the forward pass of a thread dropped so far, by dropping block; None where all tokens stayed."""

    def __init__(self) -> None:
        self.droppings: list[Dropping | None] = []
        self.seen: dict[str, Tensor] = {}

    def __reduce__(self) -> tuple[type[_Pass], tuple[()]]:
        return type(self), ()


class TokenDropping(Patch):
    """EViT in one encoder."""

    def __init__(
        self,
        encoder: nn.Module,
        every: list[Any],
        known: str,
        dropping: type[Any],
        *,
        keep_rate: float,
        blocks: Sequence[int],
        neighbors: int,
        temperature: float,
    ) -> None:
        """Puts it in.

        Args:
            encoder: Of timm or of DPT.
            every: All its blocks.
            known: The class they must have, as ``"module:class"``.
            dropping: The methods of a block that drops tokens.
            keep_rate: Share of the tokens behind the class token that a dropping block keeps.
            blocks: That drop, counted from 0.
            neighbors: Kept tokens that a dropped one is reconstructed from.
            temperature: Of the reconstruction.

        Raises:
            ValueError: It does not fit. Nothing is changed then.
        """
        self._keep_rate, self._dropping = keep_rate, sorted(set(blocks))
        self._neighbors, self._temperature = neighbors, temperature
        self._pass = _Pass()
        for block in every:
            if not is_a(block, known, exactly=True):
                raise ValueError(f"a block of class {type(block).__name__} is not known to it; supported: {SUPPORTED}")
        if self._dropping[-1] >= len(every):
            raise ValueError(f"blocks {list(blocks)}: the encoder has {len(every)}, from 0 on")
        super().__init__(encoder)
        for index in self._dropping:
            self.extend(every[index], dropping)

    def see(self, module: nn.Module, name: str) -> None:
        """Remembers what a projection returns, for the block around it."""
        self.after(module, _Seen(self._pass, name))

    def drop_tokens(self, tokens: Tensor, queries: Tensor, keys: Tensor) -> Tensor:
        """Tokens (B, 1 + N, C) to (B, 1 + K + 1, C), by queries and keys (B, heads, 1 + N, D) of their attention."""
        scores = queries[:, :, :1] @ keys.transpose(2, 3) * queries.shape[-1] ** -0.5
        attention = scores.softmax(dim=-1)[:, :, 0, 1:].mean(dim=1)
        kept = math.ceil(self._keep_rate * (tokens.shape[1] - 1))
        if kept == tokens.shape[1] - 1:
            self._pass.droppings.append(None)
            return tokens
        few, dropping = drop(tokens[:, 1:], attention, kept)
        self._pass.droppings.append(dropping)
        return torch.cat([tokens[:, :1], few], dim=1)

    def seen(self, name: str) -> Tensor:
        """What the projection of that name returned just now."""
        return self._pass.seen.pop(name)

    def reconstruct(self, tokens: Tensor, run: int | None = None) -> Tensor:
        """All tokens again, of those that come out of the first `run` blocks; None for all blocks."""
        done = len([block for block in self._dropping if run is None or block < run])
        behind = tokens[:, 1:]
        for dropping in reversed(self._pass.droppings[:done]):
            if dropping is not None:
                behind = dropping.reconstruct(behind, self._neighbors, self._temperature)
        return torch.cat([tokens[:, :1], behind], dim=1)

    def begin(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """Forgets the pass before."""
        self._pass.droppings, self._pass.seen = [], {}


class VitDropping(TokenDropping):
    """In timm's ViT: all tokens are back after the final norm."""

    def __init__(self, encoder: Any, **settings: Any) -> None:
        """See `TokenDropping`."""
        if encoder.num_prefix_tokens != 1:
            raise ValueError(f"it needs one class token and no other prefix; supported: {SUPPORTED}")
        super().__init__(encoder, list(encoder.blocks), VIT_BLOCK, _DroppingBlock, **settings)
        for index in self._dropping:
            self.see(encoder.blocks[index].attn.qkv, "qkv")
        self.after(encoder.patch_embed, self.begin)
        self.after(encoder.norm, self._end)

    def _end(self, norm: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        return self.reconstruct(output)


class DptDropping(TokenDropping):
    """In DPT: all tokens are back in every hidden state that its encoder returns."""

    def __init__(self, encoder: Any, **settings: Any) -> None:
        """See `TokenDropping`."""
        super().__init__(encoder, list(encoder.encoder.layer), DPT_LAYER, _DroppingLayer, **settings)
        for index in self._dropping:
            attention = encoder.encoder.layer[index].attention.attention
            self.see(attention.query, "queries")
            self.see(attention.key, "keys")
        self.after(encoder.embeddings, self.begin)
        self.after(encoder, self._hand_out)

    def _hand_out(self, model: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        output["last_hidden_state"] = self.reconstruct(output["last_hidden_state"])
        if output.get("hidden_states") is not None:
            output["hidden_states"] = tuple(
                self.reconstruct(state, run) for run, state in enumerate(output["hidden_states"])
            )
        return output


class _DroppingBlock:
    """timm's block, which drops tokens between its attention and its MLP."""

    def forward(self: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        attention, patch = self.attn, patch_of(self)
        x = x + self.drop_path1(self.ls1(attention(self.norm1(x), *args, **kwargs)))
        queries, keys, _ = patch.seen("qkv").unflatten(2, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)
        x = patch.drop_tokens(x, attention.q_norm(queries), attention.k_norm(keys))
        tokens: Tensor = x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))
        return tokens


class _DroppingLayer:
    """DPT's layer, likewise."""

    def forward(self: Any, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        attention, patch = self.attention.attention, patch_of(self)
        attended = self.attention(self.layernorm_before(hidden_states), *args, **kwargs)
        # Until transformers 5, attentions and layers return tuples.
        in_tuple = isinstance(attended, tuple)
        hidden_states = (attended[0] if in_tuple else attended) + hidden_states
        by_head = (
            patch.seen(name).unflatten(2, (attention.num_attention_heads, -1)).transpose(1, 2)
            for name in ("queries", "keys")
        )
        hidden_states = patch.drop_tokens(hidden_states, *by_head)
        tokens = self.output(self.intermediate(self.layernorm_after(hidden_states)), hidden_states)
        return (tokens, *attended[1:]) if in_tuple else tokens


class _Seen:
    """A hook that keeps what a module returns until the block around it takes it."""

    def __init__(self, current: _Pass, name: str) -> None:
        self._pass, self._name = current, name

    def __call__(self, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        self._pass.seen[self._name] = output
