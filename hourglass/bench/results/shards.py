"""Shards of an accuracy on disk, ``shards/2-of-7.json`` beside the measurement that they are merged into."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import ValidationError

from hourglass.bench.measuring.types import Partial, Shard
from hourglass.bench.results import records as stored
from hourglass.bench.storage.documents import Document
from hourglass.bench.storage.files import write_text
from hourglass.bench.suites.case import Case
from hourglass.registry import UserError

MAY_DIFFER = ("commit", "dirty", "machine", "driver", "time")
"""Provenance in which the shards of one measurement need not agree; equal code is asked for, an equal commit is not."""


class Part(Document):
    """One shard of a case, as stored.

    Attributes:
        partial: What was counted, as `hourglass.bench.measuring.Partial`.
        provenance: As of a `Record`.
    """

    schema_version: Literal[1] = 1
    case: Case
    partial: dict[str, Any]
    provenance: dict[str, Any]


def path_of(results: Path, case: Case, shard: Shard) -> Path:
    """Where a shard is stored below the folder of all results."""
    folder = stored.path_of(results, case, "accuracy").parent
    return folder / "shards" / f"{shard.number}-of-{shard.of}.json"


def save(results: Path, case: Case, shard: Shard, partial: Partial, provenance: Mapping[str, Any]) -> Path:
    """Store a shard in one step."""
    path = path_of(results, case, shard)
    part = Part(case=case, partial=cast("dict[str, Any]", partial), provenance=dict(provenance))
    # Not by pydantic, whose JSON turns a NaN, which a score may be, into null.
    write_text(path, json.dumps(part.model_dump()) + "\n")
    return path


def merge(results: Path, case: Case, shards: int) -> stored.Record:
    """The accuracy of a case from all of its shards, equal to that of one run but for its provenance.

    Raises:
        UserError: A shard is missing, is damaged or was measured under other conditions than the first one.
    """
    from hourglass.bench import measuring

    parts = _all(results, case, shards)
    provenance = {"shards": shards, **_common(parts)}
    try:
        measured = measuring.merged(case.task, [cast("Partial", part.partial) for part in parts.values()])
    except UserError:
        raise
    except Exception as error:  # what is damaged can raise anything
        folder = next(iter(parts)).parent
        raise UserError(f"{folder}: one of them is damaged ({error}); delete them and run the suite again") from error
    return stored.record("accuracy", case, measured["values"], measured["samples"], provenance)


def gallery(results: Path, case: Case, shards: int) -> list[dict[str, Any]]:
    """The pictures that the shards of a case have, as of `hourglass.bench.measuring.Result`.

    Raises:
        UserError: A shard is missing or is damaged.
    """
    return [entry for part in _all(results, case, shards).values() for entry in part.partial.get("gallery", [])]


def _all(results: Path, case: Case, shards: int) -> dict[Path, Part]:
    paths = [path_of(results, case, Shard(number, shards)) for number in range(1, shards + 1)]
    return {path: _load(path, case) for path in paths}


def _common(parts: Mapping[Path, Part]) -> dict[str, Any]:
    """Provenance of all shards: the one value of each entry, or all values where they may differ."""
    first = next(iter(parts))
    common = {}
    for name, value in parts[first].provenance.items():
        others = {path: part.provenance.get(name) for path, part in parts.items() if part.provenance.get(name) != value}
        if others and name not in MAY_DIFFER:
            path, other = next(iter(others.items()))
            told = f"{name} is {other}, but {value} in {first.name}"
            raise UserError(f"{path}: {told}; delete whichever is outdated and run the suite again")
        common[name] = ", ".join(dict.fromkeys(map(str, [value, *others.values()]))) if others else value
    return common


def _load(path: Path, case: Case) -> Part:
    number, of = path.stem.split("-of-")
    again = f"run `hourglass accuracy {case.suite} {case.id} --shard {number}/{of}`"
    try:
        part = Part.model_validate(json.loads(path.read_bytes()))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {again} first") from None
    except (ValidationError, ValueError):
        raise UserError(f"{path}: is damaged; delete it and {again}") from None
    if part.case != case:
        raise UserError(f"{path}: was measured with other settings than the suite has now; {again} again")
    return part
