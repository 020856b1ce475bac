# All measurements of the suite: the tidy table, and what the comparison with the accepted results says.


rule collect:
    input:
        [
            f"{OUT}/{case.id}/{measurement}.json"
            for case in SUITE.cases
            for measurement in case.measurements
            if measurement == "cost" or case.id not in LEFT_OUT
        ],
    output:
        f"{OUT}/results.csv",
    log:
        f"{OUT}/logs/collect.log",
    localrule: True
    shell:
        "hourglass collect {NAME} > {log} 2>&1"


rule verdict:
    input:
        rules.collect.input,
        rules.collect.output,
        ACCEPTED,
    output:
        f"{OUT}/verdict.json",
    log:
        f"{OUT}/logs/verdict.log",
    localrule: True
    params:
        suite=SUITE.model_dump_json(),
    shell:
        "hourglass verdict {NAME} > {log} 2>&1"
