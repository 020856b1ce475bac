# What is made of the measurements. Each starts from them alone; the exit code comes last, so that a failed verdict can be
# read about.


rule export:
    input:
        measurements(),
    output:
        report(
            f"{OUT}/results.csv", category="Results", labels={"what": "every number"}
        ),
    log:
        f"{OUT}/logs/export.log",
    localrule: True
    shell:
        "hourglass export {NAME:q} > {log} 2>&1"


rule verdict:
    input:
        measurements(),
        ACCEPTED,
    output:
        report(f"{OUT}/verdict.json", category="Results", labels={"what": "verdict"}),
    log:
        f"{OUT}/logs/verdict.log",
    localrule: True
    params:
        suite=SUITE.model_dump_json(),
    shell:
        "hourglass verdict {NAME:q} > {log} 2>&1"


rule tables:
    input:
        measurements(),
        ACCEPTED,
        DEFINITIONS,
        QUOTED,
    output:
        [
            report(
                f"{OUT}/tables/{table}.{ending}",
                category="Tables",
                subcategory=table,
                labels={"format": ending},
            )
            for table in TABLES
            for ending in FORMATS
        ],
    log:
        f"{OUT}/logs/tables.log",
    localrule: True
    params:
        suite=SUITE.model_dump_json(),
    shell:
        "hourglass tables {NAME:q} 2>&1 | tee {log}"


rule report:
    input:
        measurements(),
        galleries(),
        ACCEPTED,
        DEFINITIONS,
        QUOTED,
    output:
        report(f"{OUT}/report.html", category="Results", labels={"what": "report"}),
    log:
        f"{OUT}/logs/report.log",
    localrule: True
    params:
        suite=SUITE.model_dump_json(),
    shell:
        "hourglass report {NAME:q} > {log} 2>&1"


rule track:
    input:
        measurements(),
        galleries(),
    output:
        f"{OUT}/tracking.json",
    log:
        f"{OUT}/logs/track.log",
    localrule: True
    shell:
        "hourglass track {NAME:q} > {log} 2>&1"


rule check:
    input:
        rules.export.output,
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
        "hourglass check {NAME:q} 2>&1 | tee {log}"
