"""Tables of names: which weight of a foreign checkpoint becomes which of a model here.

A row's pattern is a key with fields: ``{block}`` stands for one part between dots, ``{rest}`` for one or more. A row's
target is the new name with the same fields, or a `Rule` where a value is more than renamed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rule:
    """New names of a weight, and the values they get."""

    names: tuple[str, ...]
    values: Callable[[Tensor], Sequence[Tensor]]
    part: int | None = None
    """Which part of its new value it is, if that is joined of several ..."""
    axis: int = 0
    """... along this axis."""


Table = Mapping[str, str | Rule]

DROPPED = Rule((), lambda value: ())
"""What a model here does without."""


def copies(*names: str) -> Rule:
    """The same value under each of the names."""
    return Rule(names, lambda value: [value] * len(names))


def parts(*names: str) -> Rule:
    """Equal parts along the first axis: queries, keys and values that were one matrix."""
    return Rule(names, lambda value: value.tensor_split(len(names)))


def joined(name: str, part: int, *, axis: int = 0) -> Rule:
    """One of several values that become one: queries, keys and values that were matrices of their own."""
    return Rule((name,), lambda value: [value], part, axis)


def unbiased(weight: str, bias: str) -> Rule:
    """A weight whose bias may be missing, which is as good as zeros."""
    return Rule((weight, bias), lambda value: [value, value.new_zeros(len(value))])


def uncounted(norm: str) -> Rule:
    """The variance of a batch norm that was exported without its number of batches, which only training needs."""
    names = (f"{norm}.running_var", f"{norm}.num_batches_tracked")
    return Rule(names, lambda value: [value, torch.zeros((), dtype=torch.int64)])


def transposed(name: str) -> Rule:
    """A matrix that is stored the other way round."""
    return Rule((name,), lambda value: [value.transpose(0, 1)])


def find(key: str, table: Table) -> Rule | None:
    """The first row of the table whose pattern a key has, with the fields filled in; None if there is none."""
    for pattern, target in table.items():
        if fields := _compiled(pattern).fullmatch(key):
            rule = target if isinstance(target, Rule) else copies(target)
            return replace(rule, names=tuple(name.format(**fields.groupdict()) for name in rule.names))
    return None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    literal = re.escape(pattern).replace(r"\{rest\}", "(?P<rest>.+)")
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^.]+)", literal))
