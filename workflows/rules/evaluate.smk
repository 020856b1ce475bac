# What does not depend on the machine: one thread each, side by side.


rule accuracy:
    input:
        lambda wildcards: f"data/{SUITE.case(wildcards.case).dataset}/ready.json",
    output:
        f"{OUT}/{{case}}/accuracy.json",
    log:
        f"{OUT}/logs/{{case}}.accuracy.log",
    priority: 1
    threads: 1
    resources:
        gpu=GPU,
    params:
        device=DEVICE,
        case=lambda wildcards: SUITE.case(wildcards.case).model_dump_json(),
        weights=lambda wildcards: WEIGHTS[SUITE.case(wildcards.case).model],
    message:
        "accuracy of {wildcards.case}"
    shell:
        "hourglass accuracy {NAME} {wildcards.case} --device {params.device} > {log} 2>&1"


rule cost:
    output:
        f"{OUT}/{{case}}/cost.json",
    log:
        f"{OUT}/logs/{{case}}.cost.log",
    priority: 1
    threads: 1
    params:
        case=lambda wildcards: SUITE.case(wildcards.case).model_dump_json(),
    message:
        "cost of {wildcards.case}"
    shell:
        "hourglass cost {NAME} {wildcards.case} > {log} 2>&1"
