# Three readers of the same table, and the exit code, which comes last so that a failed verdict can be read about.


rule tables:
    input:
        rules.collect.output,
        rules.verdict.output,
        DEFINITIONS,
        QUOTED,
    output:
        expand(f"{OUT}/tables/{{table}}.{{ending}}", table=TABLES, ending=FORMATS),
    log:
        f"{OUT}/logs/tables.log",
    localrule: True
    shell:
        "hourglass tables {NAME} > {log} 2>&1"


rule report:
    input:
        rules.collect.input,
        rules.collect.output,
        rules.verdict.output,
        DEFINITIONS,
        QUOTED,
    output:
        f"{OUT}/report.html",
    log:
        f"{OUT}/logs/report.log",
    localrule: True
    shell:
        "hourglass report {NAME} > {log} 2>&1"


rule track:
    input:
        rules.collect.input,
        rules.collect.output,
    output:
        f"{OUT}/tracking.json",
    log:
        f"{OUT}/logs/track.log",
    localrule: True
    shell:
        "hourglass track {NAME} > {log} 2>&1"


rule check:
    input:
        rules.collect.input,
        rules.verdict.output,
        rules.tables.output,
        rules.report.output,
        rules.track.output,
    output:
        touch(f"{OUT}/passed"),
    log:
        f"{OUT}/logs/check.log",
    localrule: True
    shell:
        "hourglass check {NAME} 2>&1 | tee {log}"
