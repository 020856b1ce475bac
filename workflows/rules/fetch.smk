# Data sets, made or downloaded once; an interrupted download goes on where it stopped.


rule prepare:
    output:
        "data/{dataset}/ready.json",
    log:
        f"{OUT}/logs/{{dataset}}.prepare.log",
    retries: 2
    params:
        version=lambda wildcards: datasets.version(wildcards.dataset),
    message:
        "data set {wildcards.dataset}"
    shell:
        "hourglass prepare {wildcards.dataset} > {log} 2>&1"
