# What does not depend on the machine: one thread each, side by side. The accuracy of a case is measured in one job, or
# in as many shards as the suite says, which are merged then.
SHARDS = {case.id: SUITE.shards_of(case) for case in SUITE.cases}


def one_of(cases):
    """A pattern of these ids, which nothing matches if there are none."""
    return "|".join(map(re.escape, cases)) or "(?!)"


rule accuracy:
    input:
        ready,
    output:
        f"{OUT}/{{case}}/accuracy.json",
    log:
        f"{OUT}/logs/{{case}}.accuracy.log",
    wildcard_constraints:
        case=one_of(case for case, shards in SHARDS.items() if shards == 1),
    priority: 1
    threads: 1
    resources:
        gpu=GPU,
    params:
        device=DEVICE,
        case=lambda wildcards: SUITE.case(wildcards.case).model_dump_json(),
        weights=lambda wildcards: WEIGHTS[SUITE.case(wildcards.case).model],
        protocol=lambda wildcards: CARDS[SUITE.case(wildcards.case).model].protocol,
    message:
        "accuracy of {wildcards.case}"
    shell:
        "hourglass accuracy {NAME} {wildcards.case} --device {params.device} > {log} 2>&1"


rule shard:
    input:
        ready,
    output:
        f"{OUT}/{{case}}/shards/{{number}}-of-{{shards}}.json",
    log:
        f"{OUT}/logs/{{case}}.accuracy.{{number}}-of-{{shards}}.log",
    wildcard_constraints:
        number=r"\d+",
        shards=r"\d+",
    priority: 1
    threads: 1
    resources:
        gpu=GPU,
    params:
        device=DEVICE,
        case=lambda wildcards: SUITE.case(wildcards.case).model_dump_json(),
        weights=lambda wildcards: WEIGHTS[SUITE.case(wildcards.case).model],
        protocol=lambda wildcards: CARDS[SUITE.case(wildcards.case).model].protocol,
    message:
        "accuracy of {wildcards.case}, shard {wildcards.number} of {wildcards.shards}"
    shell:
        "hourglass accuracy {NAME} {wildcards.case} --shard {wildcards.number}/{wildcards.shards}"
        " --device {params.device} > {log} 2>&1"


rule merge:
    input:
        lambda wildcards: expand(
            f"{OUT}/{{case}}/shards/{{number}}-of-{{shards}}.json",
            case=wildcards.case,
            number=range(1, SHARDS[wildcards.case] + 1),
            shards=SHARDS[wildcards.case],
        ),
    output:
        f"{OUT}/{{case}}/accuracy.json",
    log:
        f"{OUT}/logs/{{case}}.accuracy.log",
    wildcard_constraints:
        case=one_of(case for case, shards in SHARDS.items() if shards > 1),
    priority: 1
    localrule: True
    message:
        "accuracy of {wildcards.case}"
    shell:
        "hourglass merge {NAME} {wildcards.case} > {log} 2>&1"
