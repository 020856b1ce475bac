# Data sets and checkpoints, made or downloaded once; an interrupted download continues where it stopped. What was made of
# a download does not age with it: the download may be deleted then.


def downloaded(names):
    """The files of these downloads."""
    return [ancient(f"data/downloads/{downloads.get(name).file}") for name in names]


def needed(case):
    """What has to be there before a case can run: its data set, and its weights if they do not come with the project."""
    weights = (
        [str(CARDS[case.model].weights(Path("data")))]
        if CARDS[case.model].artifact
        else []
    )
    return [f"data/{case.dataset}/ready.json", *weights]


rule fetch:
    output:
        "data/downloads/{file}",
    log:
        f"{OUT}/logs/{{file}}.fetch.log",
    localrule: True
    params:
        artifact=lambda wildcards: ARTIFACTS[wildcards.file],
    message:
        "download of {wildcards.file}"
    shell:
        "hourglass fetch {params.artifact} 2>&1 | tee {log}"


rule prepare:
    input:
        lambda wildcards: downloaded(requirements.of_dataset(wildcards.dataset)),
    output:
        "data/{dataset}/ready.json",
    log:
        f"{OUT}/logs/{{dataset}}.prepare.log",
    params:
        version=lambda wildcards: datasets.DATASETS.get(wildcards.dataset).version,
        suite=lambda wildcards: (
            f"--suite {shlex.quote(NAME)}"
            if wildcards.dataset in SUITE.datasets
            else ""
        ),
    message:
        "data set {wildcards.dataset}"
    shell:
        "hourglass prepare {wildcards.dataset} {params.suite} > {log} 2>&1"


rule convert:
    input:
        lambda wildcards: downloaded([CARDS[wildcards.model].artifact]),
    output:
        "data/checkpoints/{model}.safetensors",
    log:
        f"{OUT}/logs/{{model}}.convert.log",
    params:
        weights=lambda wildcards: WEIGHTS[wildcards.model],
    message:
        "weights of {wildcards.model}"
    shell:
        "hourglass convert {wildcards.model} > {log} 2>&1"
