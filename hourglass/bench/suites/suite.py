"""What is measured: a suite is a YAML file, expanded into cases."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from hourglass.bench.datasets.own import FolderDefinition, FolderSource
from hourglass.bench.models.definition import ModelDefinition
from hourglass.bench.storage.documents import Document, invalid, read, unknown
from hourglass.bench.storage.shipped import shipped
from hourglass.bench.suites import published as paper
from hourglass.bench.suites.case import BASELINE, FULL, USUAL_FORMAT, Case, Count, MemoryFormat, Name, Precision, Seed
from hourglass.registry import UnknownNameError, UserError

if TYPE_CHECKING:
    from hourglass.bench.tasks import Metric

FOLDER = shipped("workflows/suites")

Number = Annotated[float, Field(strict=True)]
"""One that is written as a number: `true` is none."""
Jobs = Annotated[int, Field(strict=True, ge=1, le=1_000)]


class Criterion(Document):
    """What is asked of the accuracy of one experiment.

    Attributes:
        metric: Name of the task's metric that is judged.
        floor: What the baseline must reach, in the metric's own unit; for a metric of which less is better, what it
            must not exceed.
        tolerance: How far, in the metric's own unit, a value may be from the accepted one.
    """

    metric: str
    floor: Number
    tolerance: Number = Field(ge=0)


class SpeedTolerance(Document):
    """When a speed-up, a ratio to the baseline of the same run, counts as changed; all numbers are relative.

    Attributes:
        change: Change of one case's ratio that matters.
        together: Change of all ratios on average that matters.
        run: By how much the ratio of an unchanged case differs from run to run on one machine: a standard deviation.
        machine: Change that matters where the accepted ratio is of another machine; and slow-down of the baseline that
            matters on the same one.
        control: How far from 1 the baseline's ratio to itself may be before the machine is said to be not quiet.
    """

    change: Number = Field(default=0.05, gt=0, lt=1)
    together: Number = Field(default=0.02, gt=0, lt=1)
    run: Number = Field(default=0.012, ge=0, lt=1)
    machine: Number = Field(default=0.25, gt=0, lt=1)
    control: Number = Field(default=0.05, gt=0, lt=1)


class Timing(Document):
    """How many seconds the average contender of a timing runs, unless all ratios are known well enough before.

    It changes how wide the interval of a ratio is, not what the ratio means, so it is no part of a case.

    Attributes:
        latency: At batch 1.
        throughput: At the batch of the experiment.
        rounds: How often it runs at least at batch 1; four times, or so often if that is less, at the larger batch.
        again: So many times as long what looks slower than accepted is timed again.
    """

    latency: Number = Field(default=1.5, ge=0, le=3600)
    throughput: Number = Field(default=1.0, ge=0, le=3600)
    rounds: Count = 9
    again: Number = Field(default=6, ge=1, le=100)

    def times(self, factor: float, *, latency_alone: bool = False) -> Timing:
        """So many times as long; throughput too, unless it is latency alone."""
        throughput = self.throughput * (1 if latency_alone else factor)
        return self.model_copy(update={"latency": self.latency * factor, "throughput": throughput})


class Experiment(Document):
    """One model on one data set for one task: the plans that are compared with its baseline, by method and name.

    Attributes:
        images: How many images of the evaluation split are used, from the first on; None for as many as the suite says.
        accuracy: What is asked of it; None if it is not measured.
        timed: The plans whose speed is measured; None for all.
        shards: In how many jobs the accuracy of each case is measured; None for as many as the suite says. It changes
            no digit, so it is no part of a case.
        published: A table of `hourglass.bench.suites.published`, whose rows tables print beside what is measured.
        repeated: Methods whose rows in that table are plans too.
    """

    task: Name
    model: Name
    dataset: Name
    images: Count | None = None
    batch: Count = 1
    shards: Jobs | None = None
    accuracy: Criterion | None = None
    timed: tuple[Name, ...] | None = None
    published: paper.Reference | None = None
    repeated: tuple[Name, ...] = ("hourglass",)
    methods: dict[Name, dict[Name, dict[str, Any]]] = Field(default_factory=dict)

    @property
    def id(self) -> str:
        """What its cases' ids begin with."""
        return f"{self.task}.{self.model}.{self.dataset}"

    @cached_property
    def plans(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Settings by method and plan, those of published rows first."""
        table = paper.table(self.published) if self.published else None
        rows = {method: table.plans(method) for method in self.repeated} if table else {}
        return {
            method: plans
            for method in dict.fromkeys((*rows, *self.methods))
            if (plans := {**rows.get(method, {}), **self.methods.get(method, {})})
        }

    @model_validator(mode="after")
    def _published_table_fits(self) -> Experiment:
        if self.published is None:
            return self
        if self.published not in paper.names():
            raise unknown("table", self.published, paper.names(), at=("published",))
        table = paper.table(self.published)
        if table.task != self.task:
            raise invalid(f"table '{self.published}' is about '{table.task}', not '{self.task}'", at=("published",))
        for method in self.repeated:
            for plan in self.methods.get(method, {}).keys() & table.plans(method):
                raise invalid(f"'{plan}' is a row of '{self.published}' already", at=("methods", method, plan))
        return self

    @model_validator(mode="after")
    def _names_exist(self) -> Experiment:
        from hourglass import methods
        from hourglass.bench import tasks

        if self.task not in tasks.TASKS.names():
            raise unknown("task", self.task, tasks.TASKS.names(), at=("task",))
        others = [name for name in methods.METHODS.names() if name != BASELINE]
        for field, named in (("methods", self.methods), ("repeated", self.repeated)):
            for method in named:
                if method not in others:
                    raise unknown("method", method, others, at=(field, method))
        return self

    @model_validator(mode="after")
    def _timed_plans_exist(self) -> Experiment:
        plans = list(dict.fromkeys(plan for named in self.plans.values() for plan in named))
        for index, plan in enumerate(self.timed or ()):
            if plan not in plans:
                raise unknown("plan", plan, plans, at=("timed", index))
        return self

    @model_validator(mode="after")
    def _plans_are_valid(self) -> Experiment:
        from hourglass import methods

        for method, plans in self.plans.items():
            for plan, settings in plans.items():
                try:
                    methods.resolve(method, settings)
                except ValueError as error:
                    listed = plan in self.methods.get(method, {})
                    named = [name for name in settings if name in str(error)]
                    at = ("methods", method, plan, *named[:1]) if listed else ("repeated", self.repeated.index(method))
                    raise invalid(str(error), at=at) from None
        return self


class Suite(Document):
    """A suite file.

    Attributes:
        name: Also the name of the file, without its ending.
        version: Raised whenever its cases come to mean something else; all of them are measured again then.
        title: One line on what it shows.
        images: How many images of each evaluation split are used, from the first on; None for all.
        shards: In how many jobs the accuracy of each case is measured.
        models: Models that are none of the project's, by the names that experiments have for them.
        datasets: Data sets that are none of the project's.
    """

    name: Name
    version: Count
    title: str
    precision: Precision = "float32"
    memory_format: MemoryFormat = USUAL_FORMAT
    seed: Seed = 0
    images: Count | None = None
    shards: Jobs = 1
    speed: SpeedTolerance = SpeedTolerance()
    timing: Timing = Timing()
    models: dict[Name, ModelDefinition] = Field(default_factory=dict)
    datasets: dict[Name, FolderDefinition] = Field(default_factory=dict)
    experiments: tuple[Experiment, ...] = Field(min_length=1)

    @staticmethod
    def read(suite: str | Path) -> Suite:
        """Read a suite by its name (``embedded``) or by the path of its file.

        Raises:
            UserError: There is no such file, or it is not valid.
        """
        path = path_of(suite)
        if Path(suite).suffix != ".yaml" and not path.is_file():
            raise UnknownNameError("suite", suite, names())
        loaded = read(path, Suite)
        if loaded.name != path.stem:
            raise UserError(f"{path}: name: is '{loaded.name}'; a suite is called like its file; change one of them")
        loaded.define(path.parent)
        return loaded

    def define(self, beside: Path) -> None:
        """Make its models and data sets known by their names.

        Args:
            beside: Folder that relative paths begin in.
        """
        from hourglass.bench.datasets import DATASETS
        from hourglass.bench.models import MODELS

        for name, model in self.models.items():
            MODELS.define(name, model.card(name, beside))
        for name, dataset in self.datasets.items():
            DATASETS.define(name, FolderSource(name, dataset, beside))

    @model_validator(mode="after")
    def _names_are_not_taken(self) -> Suite:
        from hourglass.bench.datasets import DATASETS
        from hourglass.bench.models import MODELS

        for field, registry in (("models", MODELS), ("datasets", DATASETS)):
            for name in getattr(self, field):
                if registry.is_registered(name):
                    raise invalid(f"the name '{name}' is taken; choose another one", at=(field, name))
        return self

    @model_validator(mode="after")
    def _experiments_can_run(self) -> Suite:
        from hourglass.bench import datasets, models

        for index, experiment in enumerate(self.experiments):
            able: dict[str, tuple[str, ...]] = {}
            for field, own, names in (
                ("model", self.models, models.MODELS.names()),
                ("dataset", self.datasets, datasets.DATASETS.names()),
            ):
                name = getattr(experiment, field)
                if name not in own and name not in names:
                    raise unknown(field, name, [*names, *own], at=("experiments", index, field))
            model, dataset = self.models.get(experiment.model), self.datasets.get(experiment.dataset)
            able["model"] = model.tasks if model else models.card(experiment.model).tasks
            able["dataset"] = dataset.tasks if dataset else datasets.DATASETS.get(experiment.dataset).tasks
            for field, known in able.items():
                if experiment.task not in known:
                    name = f"{field} '{getattr(experiment, field)}'"
                    told = f"{name} cannot do '{experiment.task}'; it can do {', '.join(known)}"
                    raise invalid(told, at=("experiments", index, field))
            if experiment.accuracy and model and not model.has_head:
                told = f"the accuracy of '{experiment.model}' cannot be measured: it is a backbone without a 'head'"
                raise invalid(told, at=("experiments", index, "accuracy"))
        return self

    @model_validator(mode="after")
    def _experiments_differ(self) -> Suite:
        for index, experiment in enumerate(self.experiments):
            if experiment.id in {other.id for other in self.experiments[:index]}:
                raise invalid(f"{experiment.id} is listed twice; put its plans together", at=("experiments", index))
        return self

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """All cases, each experiment's baseline first."""
        return tuple(case for experiment in self.experiments for case in self._expand(experiment))

    def case(self, case_id: str) -> Case:
        """The case with this id.

        Raises:
            UserError: The suite has none.
        """
        for case in self.cases:
            if case.id == case_id:
                return case
        known = [case.id for case in self.cases]
        raise UserError(f"suite '{self.name}': {UnknownNameError('case', case_id, known)}")

    def experiment(self, case: Case) -> Experiment:
        """The experiment that a case belongs to."""
        return next(experiment for experiment in self.experiments if experiment.id == case.experiment)

    def shards_of(self, case: Case) -> int:
        """In how many jobs the accuracy of a case is measured."""
        return self.experiment(case).shards or self.shards

    def quoted(self) -> list[Path]:
        """The files of the published tables that its experiments name."""
        return sorted({paper.file_of(each.published) for each in self.experiments if each.published})

    def all_metrics(self) -> dict[str, tuple[Metric, ...]]:
        """All metrics of each experiment's task, by the experiment's id."""
        from hourglass.bench import tasks

        return {experiment.id: tasks.metrics(experiment.task) for experiment in self.experiments}

    def metrics(self) -> dict[str, Metric]:
        """The metric each experiment is judged by, by its id; of one that is not, the first of its task.

        Raises:
            UserError: The metric is none of the task's.
        """
        found = {}
        for experiment, metrics in zip(self.experiments, self.all_metrics().values(), strict=True):
            known = {metric.name: metric for metric in metrics}
            name = experiment.accuracy.metric if experiment.accuracy else next(iter(known))
            if name not in known:
                where = f"suite '{self.name}': {experiment.id}: accuracy.metric"
                raise UserError(f"{where}: {UnknownNameError('metric', name, list(known))}")
            found[experiment.id] = known[name]
        return found

    def _expand(self, experiment: Experiment) -> Iterator[Case]:
        from hourglass import methods

        named = {"model": self.models.get(experiment.model), "dataset": self.datasets.get(experiment.dataset)}
        definitions = {
            field: said.model_dump(mode="json", exclude_defaults=True) for field, said in named.items() if said
        }
        plans: dict[str, dict[str, dict[str, Any]]] = {BASELINE: {FULL: {}}, **experiment.plans}
        for method, settings_by_plan in plans.items():
            for plan, settings in settings_by_plan.items():
                yield Case(
                    suite=self.name,
                    suite_version=self.version,
                    task=experiment.task,
                    model=experiment.model,
                    dataset=experiment.dataset,
                    method=method,
                    plan=plan,
                    settings=methods.resolve(method, settings),
                    images=experiment.images or self.images,
                    batch=experiment.batch,
                    precision=self.precision,
                    memory_format=self.memory_format,
                    seed=self.seed,
                    scored=experiment.accuracy is not None,
                    timed=experiment.timed is None or plan in experiment.timed,
                    definitions=definitions,
                )


def path_of(suite: str | Path) -> Path:
    """The file of a suite, by its name or by the path itself."""
    return Path(suite).expanduser() if Path(suite).suffix == ".yaml" else FOLDER / f"{suite}.yaml"


def names() -> list[str]:
    """Names of the suites that come with the project."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))
