# From a suite file to tables, report and verdict:  snakemake --cores all --config suite=embedded
#
# fetch -> measure -> publish, one file of rules each. This is the only place that says what comes after what; what is
# done stands in the `hourglass` command that each rule calls. Results go to results/<suite>/<case>/.
from snakemake.utils import min_version

min_version("9.11")


wildcard_constraints:
    case=r"[^/]+",


include: "workflows/rules/common.smk"
include: "workflows/rules/storage.smk"
include: "workflows/rules/fetch.smk"
include: "workflows/rules/measure.smk"
include: "workflows/rules/shards.smk"
include: "workflows/rules/publish.smk"


rule all:
    default_target: True
    input:
        f"{OUT}/passed",
        # Snakemake does without a file that is gone while what was made of it is there.
        measurements(),
