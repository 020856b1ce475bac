from __future__ import annotations

from pathlib import Path

import pytest

from hourglass.bench.suites.suite import FOLDER, Suite, names
from hourglass.registry import UserError

ROOT = Path(__file__).parents[3]


def load(tmp_path: Path, text: str) -> Suite:
    path = tmp_path / "example.yaml"
    path.write_text(text)
    return Suite.read(path)


def test_every_experiment_starts_with_its_baseline(suite: Suite) -> None:
    assert [case.id for case in suite.cases] == [
        "semantic-segmentation.segmenter-scenes.scenes.baseline.full",
        "semantic-segmentation.segmenter-scenes.scenes.hourglass.mild",
        "semantic-segmentation.segmenter-scenes.scenes.hourglass.strong",
        "depth-estimation.dpt-scenes.scenes.baseline.full",
        "depth-estimation.dpt-scenes.scenes.hourglass.mild",
    ]
    assert {case.baseline_id for case in suite.cases[:3]} == {suite.cases[0].id}


def test_a_case_holds_its_plan_in_full(suite: Suite) -> None:
    settings = suite.cases[1].settings
    assert settings["start"] == 6
    assert settings["clusters"] == [24, 24]
    assert settings["neighbors"] == 4, "a default that is not in the file"


def test_an_experiment_uses_as_many_images_as_the_suite_unless_it_says_so(tmp_path: Path, suite_text: str) -> None:
    said = suite_text.replace("    dataset: scenes\n", "    dataset: scenes\n    images: 5\n", 1)
    found = load(tmp_path, said.replace("version: 1\n", "version: 1\nimages: 9\n"))
    assert {(case.model, case.images) for case in found.cases} == {("segmenter-scenes", 5), ("dpt-scenes", 9)}
    assert load(tmp_path, said).cases[-1].images is None


def test_for_how_long_cases_are_timed_is_no_part_of_them(suite: Suite, tmp_path: Path, suite_text: str) -> None:
    briefly = load(tmp_path, f"{suite_text}timing: {{ latency: 0.1, throughput: 0 }}\n")
    assert (briefly.timing.latency, briefly.timing.throughput) == (0.1, 0)
    assert briefly.cases == suite.cases


def test_only_some_plans_are_timed_where_the_suite_says_so(tmp_path: Path, suite_text: str) -> None:
    said = suite_text.replace("    dataset: scenes\n", "    dataset: scenes\n    timed: [strong]\n", 1)
    suite = load(tmp_path, said)
    assert {case.plan for case in suite.cases if "speed" in case.measurements and "segm" in case.model} == {"strong"}
    assert [case.plan for case in suite.cases if "speed" in case.measurements and "dpt" in case.model] == ["mild"]
    assert all({"accuracy", "cost"} <= set(case.measurements) for case in suite.cases)
    with pytest.raises(UserError, match=r"8: experiments\.0\.timed\.0: unknown plan 'stong'; did you mean 'strong'"):
        load(tmp_path, said.replace("[strong]", "[stong]"))


def test_how_images_lie_in_memory_is_part_of_a_case_where_it_is_unusual(
    suite: Suite, tmp_path: Path, suite_text: str
) -> None:
    last = load(tmp_path, suite_text.replace("version: 1", "version: 1\nmemory_format: channels_last"))
    assert {case.memory_format for case in last.cases} == {"channels_last"}
    assert last.cases[0] != suite.cases[0]
    assert '"memory_format":"channels_last"' in last.cases[0].model_dump_json()
    assert "memory_format" not in suite.cases[0].model_dump_json()


def test_a_case_changes_with_the_version_of_its_suite(suite: Suite, tmp_path: Path, suite_text: str) -> None:
    assert load(tmp_path, suite_text.replace("version: 1", "version: 2")).cases[0] != suite.cases[0]


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("methods:", "metods:", "9: experiments.0.metods", "unknown field 'metods'; did you mean 'methods'?"),
        ("version: 1\n", "", "1: version", "is missing; add it"),
        ("model: segm", "model: sem", "6: experiments.0.model", "unknown model 'sementer-scenes'; did you mean 'segm"),
        ("model: dpt", "model: segmenter", "14: experiments.1.model", "model 'segmenter-scenes' cannot do 'depth-est"),
        ("task: depth-", "task: deep-", "13: experiments.1.task", "unknown task 'deep-estimation'; did you mean 'dep"),
        ("hourglass:", "hourglas:", "10: experiments.0.methods.hourglas", "unknown method 'hourglas'; did you mean"),
        ("clusters: [16", "cluster: [16", "12: experiments.0.methods.hourglass.strong.cluster", "method 'hourglass': "),
        ("start: 3", "start: x", "12: experiments.0.methods.hourglass.strong.start", "method 'hourglass': plan.start "),
        ("start: 3, ", "", "12: experiments.0.methods.hourglass.strong", "method 'hourglass': setting 'start' is miss"),
        ("tolerance: 0.002", "tolerance: -1", "8: experiments.0.accuracy.tolerance", "should be greater than or"),
        ("tolerance: 0.002", "tolerance: true", "8: experiments.0.accuracy.tolerance", "should be a valid number"),
        ("title: An", "timing: { latency: 1e9 }\ntitle: An", "3: timing.latency", "less than or equal to 3600"),
        ("mild:", "Mild:", "11: experiments.0.methods.hourglass.Mild", "String should match pattern"),
        ("title: An", "shards: 1000000\ntitle: An", "3: shards", "should be less than or equal to 1000"),
        ("title: An", f"seed: {10**30}\ntitle: An", "3: seed", "should be less than 9223372036854775808"),
        (
            "start: 3,",
            "start: 3, iterations: 1000000000,",
            "12: experiments.0.methods.hourglass.strong.iterations",
            "plan.iterations must be at most 1000",
        ),
        (
            "dataset: scenes",
            "dataset: scenes\n    images: true",
            "8: experiments.0.images",
            "should be a valid integer",
        ),
        (
            "dataset: scenes",
            "dataset: scenes\n    images: 1000000000",
            "8: experiments.0.images",
            "less than or equal to",
        ),
        (
            "version: 1",
            "version: 1\nmemory_format: channels-last",
            "3: memory_format",
            "should be 'contiguous' or 'channels_last'",
        ),
        ("title: An", "title: An\ntitle: An", "4: field 'title' is given twice", "remove one"),
        ("title: An", "title: [", "4: not YAML", ""),
    ],
)
def test_an_error_says_file_line_field_and_remedy(
    tmp_path: Path, suite_text: str, old: str, new: str, where: str, what: str
) -> None:
    with pytest.raises(UserError) as error:
        load(tmp_path, suite_text.replace(old, new, 1))
    assert f"example.yaml:{where}" in str(error.value)
    assert what in str(error.value)
    assert "\n" not in str(error.value)


def test_an_experiment_listed_twice_is_an_error(tmp_path: Path, suite_text: str) -> None:
    with pytest.raises(UserError, match="listed twice"):
        load(tmp_path, suite_text.replace("depth-estimation", "semantic-segmentation").replace("dpt-", "segmenter-"))


def test_a_suite_is_called_like_its_file(tmp_path: Path, suite_text: str) -> None:
    with pytest.raises(UserError, match="is 'other'; a suite is called like its file; change one of them"):
        load(tmp_path, suite_text.replace("name: example", "name: other"))


def test_unknown_names_have_a_nearest_one(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(UserError, match="did you mean 'embedded'"):
        Suite.read("embeded")
    with pytest.raises(UserError, match=r"did you mean 'depth-estimation\.dpt-scenes\.scenes\.hourglass\.mild'"):
        suite.case("depth-estimation.dpt-scenes.scenes.hourglass.milt")


def test_a_metric_belongs_to_its_task(suite: Suite, tmp_path: Path, suite_text: str) -> None:
    assert suite.metrics()["depth-estimation.dpt-scenes.scenes"].higher_is_better
    with pytest.raises(UserError, match="unknown metric 'rmse'; did you mean 'rmse_m'"):
        load(tmp_path, suite_text.replace("metric: delta1", "metric: rmse")).metrics()


@pytest.mark.parametrize("name", [path.stem for path in (ROOT / FOLDER).glob("*.yaml")])
def test_the_suites_of_the_project_are_valid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert name in names()
    suite = Suite.read(name)
    suite.metrics()
    for experiment in suite.experiments:
        assert experiment.published or sum(len(plans) for plans in experiment.methods.values()) >= 3
