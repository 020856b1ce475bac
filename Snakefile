# From a suite file to tables, report and verdict:  snakemake --cores all --config suite=embedded
#
# fetch -> evaluate -> measure -> collect -> publish, one file of rules each. Rules say what depends on what; what is
# done stands in the `hourglass` command that each of them calls. Results go to results/<suite>/<case>/.
from snakemake.utils import min_version

min_version("9.11")


wildcard_constraints:
    case=r"[^/]+",


include: "workflows/rules/common.smk"
include: "workflows/rules/storage.smk"
include: "workflows/rules/fetch.smk"
include: "workflows/rules/evaluate.smk"
include: "workflows/rules/measure.smk"
include: "workflows/rules/collect.smk"
include: "workflows/rules/publish.smk"


rule all:
    default_target: True
    input:
        f"{OUT}/passed",
