# What cases compute. It needs neither data nor, for models whose weights do not come with the project, weights.


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
