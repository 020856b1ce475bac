from __future__ import annotations

from dataclasses import replace

from hourglass.bench.report.fronts import charts
from hourglass.bench.report.plots import Chart, Point, drawn, front
from hourglass.bench.report.timings import timing
from hourglass.bench.results.outcome import Outcome
from hourglass.bench.tables.content import Content


def point(x: float, y: float, label: str = "") -> Point:
    return Point(x, y, "one", label, "", "#")


def test_the_front_is_what_no_other_beats_in_both_directions():
    points = [point(1, 10), point(2, 9), point(2, 8), point(3, 9.5), point(4, 2), point(4, 3)]
    assert [(p.x, p.y) for p in front(points, more_x=True, more_y=True)] == [(4, 3), (3, 9.5), (1, 10)]
    assert [(p.x, p.y) for p in front(points, more_x=False, more_y=True)] == [(1, 10)]
    assert [(p.x, p.y) for p in front(points, more_x=True, more_y=False)] == [(4, 2)]


def test_better_is_right_and_up():
    chart = Chart("", "", "", ("one",), (point(1, 1), point(5, 5)), more_x=True, more_y=True)
    for more_x in (True, False):
        for more_y in (True, False):
            worse, better = sorted(drawn(replace(chart, more_x=more_x, more_y=more_y)).marks, key=lambda m: m.point.x)[
                :: 1 if more_x else -1
            ]
            assert worse.x < better.x
            worse, better = (worse, better) if more_x == more_y else (better, worse)
            assert worse.y > better.y


def test_a_single_point_is_drawn_and_labels_stay_apart():
    alone = drawn(Chart("", "", "", ("one",), (point(0.0, 0.0, "zero"),), more_x=True, more_y=True))
    assert alone.marks[0].label is not None
    assert alone.ticks_x
    crowd = Chart("", "", "", ("one",), tuple(point(1, 1, f"plan{i}") for i in range(9)), more_x=True, more_y=True)
    assert 0 < sum(mark.label is not None for mark in drawn(crowd).marks) < 9


def test_a_mark_at_the_edge_with_another_beside_it_has_a_label():
    points = (point(1, 1, "baseline"), point(4.4, 5, "other"), point(5, 5, "linear-strong"))
    for more_x in (True, False):
        moved = points if more_x else tuple(replace(each, x=6 - each.x) for each in points)
        found = drawn(Chart("", "", "", ("one",), moved, more_x=more_x, more_y=True))
        (mark,) = [mark for mark in found.marks if mark.point.label == "linear-strong"]
        assert mark.label == (mark.x + 6, mark.y - 10, "end")


def test_an_experiment_is_drawn_against_speed_and_against_work(outcome: Outcome):
    found = charts(outcome.suite.experiments[0], Content(outcome))
    assert [chart.title for chart in found] == ["mIoU against measured speed-up", "mIoU against work"]
    assert [(p.label, p.x, round(p.y, 2)) for p in found[0].points] == [
        ("baseline", 1.0, 75.0), ("mild", 1 / 0.75, 74.7), ("strong", 2.0, 73.5)
    ]  # fmt: skip
    assert found[0].points[1].told == (
        "mild (hourglass): mIoU 74.7 %; −0.3 points; 1.33 [1.32, 1.35] times as fast; 6.30 GMACs"
    )
    assert [found[0].more_x, found[1].more_x] == [True, False]


def test_timings_show_the_control_and_every_plan(outcome: Outcome):
    found = timing(outcome.suite.experiments[0], outcome.records)
    assert found is not None
    assert [row.name for row in found.rows] == ["baseline", "control", "mild", "strong"]
    assert [len(row.runs) for row in found.rows] == [9, 9, 10, 10]
    assert found.beyond == 2, "one of each plan takes nine times as long"
    assert all(row.box[0] <= row.middle <= row.box[1] for row in found.rows)


def test_rows_of_one_name_say_the_method(outcome: Outcome):
    case = outcome.suite.cases[1].model_copy(update={"method": "average-pooling"})
    other = next(r for r in outcome.records if r.case == outcome.suite.cases[1] and r.measurement == "speed")
    records = [*outcome.records, other.model_copy(update={"case": case})]
    found = timing(outcome.suite.experiments[0], records)
    assert found is not None
    named = [(row.name, row.method) for row in found.rows if row.name not in ("baseline", "control")]
    assert sorted(named) == [("mild", "average-pooling"), ("mild", "hourglass"), ("strong", "")]
    told = [row.told for each in outcome.suite.experiments for row in timing(each, records).rows]  # type: ignore[union-attr]
    assert len({text.split(": ")[0] + text.split("; ")[1] for text in told}) == len(told)


def test_each_mark_can_be_hit_and_none_covers_another():
    apart = drawn(Chart("", "", "", ("one",), (point(0, 0), point(1, 1)), more_x=True, more_y=True))
    assert [mark.reach for mark in apart.marks] == [17, 17]
    close = drawn(Chart("", "", "", ("one",), (point(0, 0), point(0.05, 0), point(1, 1)), more_x=True, more_y=True))
    first, second, third = close.marks
    assert first.reach + second.reach <= second.x - first.x + 0.1
    assert (first.reach == second.reach, third.reach) == (True, 17)


def test_samples_of_another_kind_draw_nothing(outcome: Outcome):
    odd = [record.model_copy(update={"samples": {"latency_s": {"method": "fast"}}}) for record in outcome.records]
    assert timing(outcome.suite.experiments[0], odd) is None
