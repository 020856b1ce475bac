"""Results in a bucket: the workflow with S3 as its storage, as in the Kubernetes profile, on a local server."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = pytest.mark.slow


def test_a_suite_runs_with_its_results_in_a_bucket(folder: Any, bucket: Any) -> None:
    folder.suite.write_text(folder.suite.read_text() + "shards: 2\n")
    ready = folder.path / "data" / "near" / "ready.json"
    bucket.put_object(Key="work/data/near/ready.json", Body=ready.read_bytes())
    ready.unlink()
    endpoint = bucket.meta.client.meta.endpoint_url
    prefix = ("--default-storage-provider", "s3", "--default-storage-prefix", "s3://lab/work")
    storage = (*prefix, "--storage-s3-endpoint-url", endpoint)
    run = folder.run(*storage)
    assert run.returncode
    assert "nothing has been accepted yet" in run.stdout, run.stdout
    assert not folder.results.exists(), "nothing is left outside the bucket"
    kept = {item.key.removeprefix("work/results/tiny/"): item for item in bucket.objects.all()}
    assert {"results.csv", "verdict.json", "report.html", "tracking.json", "tables/headline.md"} <= kept.keys()
    case = "looking.eye.near.squeeze.mild"
    assert {f"{case}/{name}.json" for name in ("cost", "speed", "shards/1-of-2", "shards/2-of-2")} <= kept.keys()
    record = json.loads(kept[f"{case}/accuracy.json"].get()["Body"].read())
    assert record["values"] == {"miou": 0.5}
    again = folder.run(*storage, "--until", "report")
    assert not again.returncode, again.stdout
    assert "Execute 1 jobs" not in again.stdout
