# What depends on the machine: a timing job takes all cores, so nothing else of this workflow runs beside it.


rule speed:
    input:
        ready,
    output:
        f"{OUT}/{{case}}/speed.json",
    log:
        f"{OUT}/logs/{{case}}.speed.log",
    # Looked up only where no profile sets it: on a cluster there is no number of cores.
    threads: lambda wildcards: workflow.cores
    resources:
        gpu=GPU,
    params:
        device=DEVICE,
        case=lambda wildcards: SUITE.case(wildcards.case).model_dump_json(),
        weights=lambda wildcards: WEIGHTS[SUITE.case(wildcards.case).model],
    message:
        "speed of {wildcards.case}"
    shell:
        "hourglass speed {NAME} {wildcards.case} --device {params.device} > {log} 2>&1"
