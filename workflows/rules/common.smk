# What all rules need to know: the suite, validated before any job starts; what is due; the folders; the device.
import os
import re
import shlex
import sys
from glob import glob
from pathlib import Path

from hourglass import registry
from hourglass.bench import datasets, downloads
from hourglass.bench.models import card
from hourglass.bench.results import accepted, jobs, requirements, state
from hourglass.bench.storage import runlock
from hourglass.bench.suites.suite import Suite, path_of
from hourglass.bench.tables.definition import files, load_all
from hourglass.bench.tables.render import FORMATS
from hourglass.registry import UserError

# Snakemake reads `suite=123` as a number, and `suite=` as nothing.
NAME = str(config.get("suite", "embedded") or "")
DEVICE = str(config.get("device", "cpu"))
STORAGE = workflow.storage_registry.default_storage_provider

try:
    registry.include(
        str(config["include"]).split(os.pathsep) if config.get("include") else []
    )
    SUITE = Suite.read(NAME)
    if set(NAME) & set("{}"):
        raise UserError(f"{NAME}: Snakemake takes braces for wildcards; rename it")
    CARDS = {each.model: card(each.model) for each in SUITE.experiments}
    WEIGHTS = {name: of.weights_key for name, of in CARDS.items()}
    ARTIFACTS = {downloads.get(name).file: name for name in downloads.names()}
    LEFT_OUT = requirements.left_out(SUITE, data=Path("data"), results=Path("results"))
    # What lies in a storage is not looked into: there, Snakemake alone decides what has to be made again.
    RESULTS = Path("results") if STORAGE is None else Path(os.devnull)
    STATES = state.states(
        SUITE, results=RESULTS, data=Path("data"), device=DEVICE, left_out=LEFT_OUT
    )
    COSTS = accepted.costs(accepted.load(Path("tables"), SUITE))
    JOBS = jobs.jobs(SUITE, STATES, most=config.get("cases_per_job"), costs=COSTS)
    TABLES = list(load_all(Path("tables"), SUITE))
    if workflow.is_main_process:
        SUITE.metrics()
        sys.stderr.write(requirements.in_short(LEFT_OUT))
        runlock.clear_after_killed_run(Path(".snakemake"))
        os.environ[runlock.RUN] = str(Path(".snakemake").absolute())
except UserError as error:
    sys.exit(f"hourglass: {error}")

DEFINITION = local(os.path.relpath(path_of(NAME)))
OUT = f"results/{SUITE.name}"

# With `--config measure=false`, tables and report are made of the measurements there are; only costs are counted.
MEASURE = config.get("measure", True) not in (False, "false")
SHARDED = {
    each.case.id: SUITE.shards_of(each.case)
    for each in STATES
    if MEASURE
    and each.measurement == "accuracy"
    and each.is_due
    and SUITE.shards_of(each.case) > 1
}
ACCEPTED = [local(path) for path in glob(f"tables/accepted/{SUITE.name}.yaml")]
DEFINITIONS = [local(path.as_posix()) for path in files(Path("tables"))]
QUOTED = [local(path.as_posix()) for path in SUITE.quoted()]

# A limit that is not declared is none: without this, all jobs would start on one GPU at once.
workflow.global_resources.setdefault("gpu", 1)
GPU = int(DEVICE.startswith("cuda"))

os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


onstart:
    # Every file is renamed into place when it is whole. What a failed job has finished is good, and is not made again.
    workflow.execution_settings.keep_incomplete = True


def measurements(kind=None):
    """The files of measurements that there will be: all, or those of a kind; with `measure=false`, those there are."""
    wanted = [
        each
        for each in STATES
        if each.status != "left out" and kind in (None, each.measurement)
    ]
    found = [f"{OUT}/{each.case.id}/{each.measurement}.json" for each in wanted]
    return (
        found
        if MEASURE
        else [
            file
            for file in found
            if file.endswith("/cost.json") or os.path.exists(file)
        ]
    )


def galleries():
    """The files of pictures that there will be; a measurement that an earlier version made may have none."""
    due = {
        each.case.id
        for each in STATES
        if MEASURE and each.measurement == "accuracy" and each.is_due
    }
    found = [
        (each.case.id, f"{OUT}/{each.case.id}/gallery.json")
        for each in STATES
        if each.measurement == "accuracy"
    ]
    return [file for case, file in found if case in due or os.path.exists(file)]
