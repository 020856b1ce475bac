"""Who observes sees each operator begin and end; nobody else notices."""

from __future__ import annotations

from threading import Barrier, Thread

import pytest
import torch

from hourglass.operators import cluster, reconstruction_weights, relative_temperature
from hourglass.operators.observe import OperatorCall, annotate, is_observed, observed, observing

TOKENS = torch.randn(2, 48, 16, generator=torch.Generator().manual_seed(0))


def flow(tokens=TOKENS):
    temperature = relative_temperature(tokens, (6, 8), (3, 4))
    centers = cluster(tokens, (6, 8), (3, 4), iterations=3, temperature=temperature)
    weights = reconstruction_weights(tokens, centers, neighbors=1, temperature=temperature, semantics="paper")
    return weights(centers[..., :5]), weights.residual(centers.tanh(), tokens, centers)


class Recorder:
    def __init__(self):
        self.seen = []

    def __call__(self, moment, call):
        self.seen.append((moment, call))

    @property
    def calls(self):
        return [call for moment, call in self.seen if moment == "end"]


def test_each_operator_is_reported_with_its_sizes():
    with observing(recorder := Recorder()):
        flow()
    found = [(c.kind, c.batch, c.tokens, c.clusters, c.channels, c.iterations, c.nearest) for c in recorder.calls]
    assert found == [
        ("temperature", 2, 48, 12, 16, 0, False),
        ("clustering", 2, 48, 12, 16, 3, False),
        ("weights", 2, 48, 12, 16, 0, True),
        ("reconstruction", 2, 48, 12, 5, 0, False),
        ("reconstruction", 2, 48, 12, 16, 0, False),
    ]


def test_one_ends_before_the_next_begins_and_both_are_the_same_call():
    with observing(recorder := Recorder()):
        flow()
    assert [moment for moment, _ in recorder.seen] == ["begin", "end"] * 5
    assert all(begun is ended for (_, begun), (_, ended) in zip(recorder.seen[::2], recorder.seen[1::2], strict=True))


def test_a_clustering_hands_out_its_tensors():
    results = []

    def observer(moment, call):
        results.append((moment, call.result))

    with observing(observer), observing(recorder := Recorder()):
        centers = cluster(TOKENS, (6, 8), (3, 4))
    assert results == [("begin", None), ("end", centers)]
    assert recorder.calls[0].arguments["tokens"] is TOKENS
    assert recorder.calls[0].arguments["grid"] == (6, 8)


def test_observing_changes_no_result():
    expected = flow()
    with observing(Recorder()):
        found = flow()
    assert all(ours.equal(theirs) for ours, theirs in zip(found, expected, strict=True))


def test_it_ends_with_its_block_even_if_that_raises():
    with pytest.raises(ArithmeticError), observing(recorder := Recorder()):
        raise ArithmeticError
    assert not is_observed()
    flow()
    assert recorder.seen == []


def test_an_operator_that_raises_has_ended_without_a_result():
    def fail():
        raise ArithmeticError

    with observing(recorder := Recorder()), pytest.raises(ArithmeticError):
        observed(OperatorCall("clustering", 1, 4, 2, 3), fail)
    assert [moment for moment, _ in recorder.seen] == ["begin", "end"]
    assert recorder.calls[0].result is None


def test_arguments_that_do_not_fit_are_no_call():
    with observing(recorder := Recorder()), pytest.raises(ValueError, match=r"^grid: "):
        cluster(TOKENS, (6, 9), (3, 4))
    assert recorder.seen == []


def test_annotations_reach_the_calls_inside_and_no_others():
    with observing(recorder := Recorder()):
        with annotate(windows=(2, 1)):
            cluster(TOKENS, (6, 8), (3, 4))
            with annotate(extent=(11, 8)):
                cluster(TOKENS, (6, 8), (3, 4))
        cluster(TOKENS, (6, 8), (3, 4))
    assert [call.context for call in recorder.calls] == [
        {"windows": (2, 1)},
        {"windows": (2, 1), "extent": (11, 8)},
        {},
    ]


def test_threads_see_their_own_calls():
    barrier, recorders = Barrier(2), [Recorder(), Recorder()]

    def work(recorder, batch):
        with observing(recorder), annotate(batch=batch):
            barrier.wait(timeout=60)
            for _ in range(20):
                flow(TOKENS[:batch])
            barrier.wait(timeout=60)

    threads = [Thread(target=work, args=(recorder, batch)) for batch, recorder in enumerate(recorders, start=1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for batch, recorder in enumerate(recorders, start=1):
        assert len(recorder.calls) == 100
        assert {(call.batch, call.context["batch"]) for call in recorder.calls} == {(batch, batch)}


whole_graphs = pytest.mark.skipif(not hasattr(torch.export, "Dim"), reason="PyTorch 2.1 runs pieces uncompiled")


@whole_graphs
def test_a_trace_has_no_observers():
    torch.compiler.reset()
    compiled = torch.compile(flow, fullgraph=True, backend="aot_eager")
    expected = flow()
    with observing(recorder := Recorder()):
        found = compiled(TOKENS)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert recorder.seen == []


@whole_graphs
def test_an_export_has_no_observers():
    class Flow(torch.nn.Module):
        def forward(self, tokens):
            return flow(tokens)

    with observing(recorder := Recorder()):
        exported = torch.export.export(Flow(), (TOKENS,))
    assert recorder.seen == []
    torch.testing.assert_close(exported.module()(TOKENS)[0], flow()[0])
