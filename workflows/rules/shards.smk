# Cases whose accuracy the suite splits into shards: each is measured in a job of its own, and they are merged then.


rule shard:
    input:
        lambda wildcards: needed(SUITE.case(wildcards.case)),
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
        "hourglass accuracy {NAME:q} {wildcards.case} --shard {wildcards.number}/{wildcards.shards}"
        " --device {params.device} > {log} 2>&1"


rule merge:
    input:
        lambda wildcards: expand(
            f"{OUT}/{{case}}/shards/{{number}}-of-{{shards}}.json",
            case=wildcards.case,
            number=range(1, SHARDED[wildcards.case] + 1),
            shards=SHARDED[wildcards.case],
        ),
    output:
        f"{OUT}/{{case}}/accuracy.json",
        f"{OUT}/{{case}}/gallery.json",
    log:
        f"{OUT}/logs/{{case}}.accuracy.log",
    wildcard_constraints:
        case="|".join(map(re.escape, SHARDED)) or "(?!)",
    priority: 1
    localrule: True
    message:
        "accuracy of {wildcards.case}"
    shell:
        "hourglass merge {NAME:q} {wildcards.case} > {log} 2>&1"
