# What all rules need to know: the suite, validated before any job starts; the folders; the device.
import os
import re
import sys
from glob import glob
from pathlib import Path

from hourglass import registry
from hourglass.bench import datasets, downloads
from hourglass.bench.results import requirements
from hourglass.registry import UserError
from hourglass.bench.models import card
from hourglass.bench.storage.runlock import clear_after_killed_run
from hourglass.bench.suites.suite import Suite
from hourglass.bench.tables.definition import files, load_all
from hourglass.bench.tables.render import FORMATS

try:
    registry.include(config["include"].split(os.pathsep) if config.get("include") else [])
    SUITE = Suite.load(config.get("suite", "embedded"))
    CARDS = {each.model: card(each.model) for each in SUITE.experiments}
    WEIGHTS = {name: of.weights_key for name, of in CARDS.items()}
    ARTIFACTS = {downloads.get(name).file: name for name in downloads.names()}
    LEFT_OUT = requirements.left_out(SUITE, data=Path("data"), results=Path("results"))
    TABLES = list(load_all(Path("tables"), SUITE))
    if workflow.is_main_process:
        SUITE.metrics()
        sys.stderr.write(requirements.in_short(LEFT_OUT))
        clear_after_killed_run(Path(".snakemake"))
except UserError as error:
    sys.exit(f"hourglass: {error}")

NAME = config.get("suite", "embedded")
OUT = f"results/{SUITE.name}"

# With `--config measure=false`, tables and report are made of the measurements there are; only costs are counted.
MEASURE = config.get("measure", True) not in (False, "false")
ACCEPTED = [local(path) for path in glob(f"tables/accepted/{SUITE.name}.yaml")]
DEFINITIONS = [local(path.as_posix()) for path in files(Path("tables"))]
QUOTED = [local(path.as_posix()) for path in SUITE.quoted()]

# A limit that is not declared is none: without this, all jobs would start on one GPU at once.
workflow.global_resources.setdefault("gpu", 1)
DEVICE = config.get("device", "cpu")
GPU = int(DEVICE.startswith("cuda"))

os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
