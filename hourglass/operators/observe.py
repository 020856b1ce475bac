"""Whoever wants to know which operators run, with what sizes and to what result, looks through here.

Measuring attributes arithmetic to the operator that is running; pictures show what a clustering did. The operators
report to whoever observes, and know nothing of either. When nobody does, a report costs one look at an empty list. A
trace (`torch.compile`, `torch.export`) sees no observers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import get_ident, local
from typing import Any, Literal, ParamSpec, TypeVar

from hourglass.operators.tracing import is_compiling

Kind = Literal["temperature", "clustering", "weights", "reconstruction", "matching"]
Moment = Literal["begin", "end"]

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(eq=False)
class OperatorCall:
    """One call of an operator; a batch counts as so many images, windows as so many batch elements.

    Attributes:
        kind: Which operator: `relative_temperature`, `cluster`, `reconstruction_weights`, the application of weights
            to a map, or the bipartite matching of token merging.
        batch: B.
        tokens: N.
        clusters: K; of a matching, the tokens that others can be merged into.
        channels: D: of the tokens, or for a reconstruction of the map that is reconstructed.
        iterations: Of a clustering.
        nearest: Whether tokens copy their nearest center.
        linear: Of weights: from how many centers each token is rebuilt by linear interpolation; 0 if it is not.
        arguments: What the operator works on, by the names of its parameters; the tensors themselves, not copies.
        context: What the caller knows about them; see `annotate`.
        result: What the operator returned; None until its end.
    """

    kind: Kind
    batch: int
    tokens: int
    clusters: int
    channels: int
    iterations: int = 0
    nearest: bool = False
    linear: int = 0
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)
    context: Mapping[str, Any] = field(default_factory=dict, repr=False)
    result: Any = field(default=None, repr=False)


Observer = Callable[[Moment, OperatorCall], None]

_observers: list[tuple[int, Observer]] = []
"""With the thread that each observes."""
_annotations = local()


@contextmanager
def observing(observer: Observer) -> Iterator[None]:
    """Has the operators that this thread runs inside the ``with`` block reported.

    Args:
        observer: Called with "begin" and the call, then with "end" and the same call, which has its result then (None
            if the operator raised). Operators do not overlap: one has ended before the next begins.
    """
    entry = (get_ident(), observer)
    _observers.append(entry)
    try:
        yield
    finally:
        _observers.remove(entry)


def is_observed() -> bool:
    """Whether anyone observes; never in a trace. The look that an operator takes before it describes itself."""
    # In this order a trace does not even depend on whether there are any.
    return not is_compiling() and bool(_observers)


@contextmanager
def annotate(**context: Any) -> Iterator[None]:
    """Adds to the context of all calls that this thread makes inside the ``with`` block.

    Ask `is_observed` first, and do without when it is false, so that neither time nor a trace is spent on it.

    Args:
        context: What observers shall find in `OperatorCall.context`, by name.
    """
    before = getattr(_annotations, "context", {})
    _annotations.context = {**before, **context}
    try:
        yield
    finally:
        _annotations.context = before


def observed(call: OperatorCall, operator: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Runs an operator, and reports its begin and its end to the observers of this thread.

    Args:
        call: Describes it; gets the annotations and the result.
        operator: What to run.
        args: Its arguments.
        kwargs: Its arguments by name.
    """
    thread = get_ident()
    observers = [observer for observed_thread, observer in tuple(_observers) if observed_thread == thread]
    call.context = {**getattr(_annotations, "context", {}), **call.context}
    for observer in observers:
        observer("begin", call)
    try:
        result = call.result = operator(*args, **kwargs)
        return result
    finally:
        for observer in observers:
            observer("end", call)
