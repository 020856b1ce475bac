# What is measured: costs, accuracies, speeds. A job makes the measurements that are due of cases which share a start-up,
# a model or a baseline. A job that fails or is killed keeps what it has finished, and the next run makes the rest.


MADE = {"cost": ["cost"], "accuracy": ["accuracy", "gallery"], "speed": ["speed"]}


def due(measurement):
    """The jobs of a kind, longest last: name, a case, files, ids, and what makes Snakemake run them again."""
    for job in sorted(JOBS, key=lambda job: job.work):
        if job.measurement == measurement and (MEASURE or measurement == "cost"):
            files = [
                f"{OUT}/{case.id}/{name}.json"
                for case in job.cases
                for name in MADE[measurement]
            ]
            changed = [
                [
                    case.model_dump_json(),
                    WEIGHTS[case.model],
                    CARDS[case.model].protocol,
                ]
                for case in job.cases
            ]
            yield job.name, job.cases[0], files, " ".join(
                case.id for case in job.cases
            ), changed


for name, first, outputs, ids, changed in due("cost"):

    rule:
        name:
            name
        input:
            DEFINITION,
        output:
            outputs,
        log:
            f"{OUT}/logs/{name}.log",
        priority: 1
        threads: 1
        params:
            ids=ids,
            changed=changed,
        message:
            f"cost of {len(outputs)} cases"
        shell:
            "hourglass cost {NAME:q} {params.ids} > {log} 2>&1"


for rank, (name, first, outputs, ids, changed) in enumerate(due("accuracy")):

    rule:
        name:
            name
        input:
            needed(first),
            DEFINITION,
        output:
            outputs,
        log:
            f"{OUT}/logs/{name}.log",
        # What takes longest begins first, so that no core waits for it at the end.
        priority: 2 + rank
        threads: 1
        resources:
            gpu=GPU,
        params:
            ids=ids,
            changed=changed,
            device=DEVICE,
        message:
            f"accuracy of {ids}"
        shell:
            "hourglass accuracy {NAME:q} {params.ids} --device {params.device} > {log} 2>&1"


for name, first, outputs, ids, changed in due("speed"):

    rule:
        name:
            name
        input:
            needed(first),
            DEFINITION,
        output:
            outputs,
        log:
            f"{OUT}/logs/{name}.log",
        # A timing job takes all cores, so that nothing else of this workflow runs beside it.
        threads: lambda wildcards: config.get("timing_threads") or workflow.cores
        resources:
            gpu=GPU,
            slurm_extra="--exclusive",
        params:
            ids=ids,
            changed=changed,
            device=DEVICE,
        message:
            f"speed of {ids}"
        shell:
            "hourglass speed {NAME:q} {params.ids} --device {params.device} > {log} 2>&1"


for kind in ("cost", "accuracy", "speed"):

    rule:
        name:
            kind
        input:
            measurements(kind),
        localrule: True
