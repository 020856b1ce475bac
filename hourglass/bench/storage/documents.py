"""YAML files as validated models, with errors that say file, line, field and the nearest valid name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from hourglass.registry import UserError, hint

M = TypeVar("M", bound="Document")
Location = Sequence[str | int]


class Document(BaseModel):
    """A model to which a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _knows_every_key(cls, data: Any) -> Any:
        for key in data if isinstance(data, dict) else ():
            if key not in cls.model_fields:
                raise unknown("field", key, list(cls.model_fields), at=(key,))
        return data


def invalid(message: str, *, at: Location) -> PydanticCustomError:
    """A validator's complaint about what stands ``at`` these keys, below the document that is being validated."""
    return PydanticCustomError("invalid", "{message}", {"message": message, "at": list(at)})


def unknown(kind: str, name: object, known: Sequence[str], *, at: Location) -> PydanticCustomError:
    """A validator's complaint about a name that nothing has."""
    return invalid(f"unknown {kind} '{name}'; {hint(str(name), known)}", at=at)


def read(path: Path, model: type[M]) -> M:
    """The content of a YAML file as a model.

    Raises:
        UserError: The file cannot be read or is not a valid ``model``.
    """
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{path}:{line}: not YAML: {error.problem}") from None
    if not isinstance(node, yaml.MappingNode):
        raise UserError(f"{path}: must hold fields, one `name: value` a line")
    for twice in _repeated_keys(node):
        raise UserError(f"{path}:{twice.start_mark.line + 1}: field '{twice.value}' is given twice; remove one")
    try:
        return model.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as errors:
        # A list is also called too short when its only entry is wrong; that is then no help.
        _, line, where, what = min((error["type"] == "too_short", *_explain(node, error)) for error in errors.errors())
        raise UserError(f"{path}:{line}: {where}: {what}") from None


def _explain(node: yaml.Node, error: Any) -> tuple[int, str, str]:
    location = [step for step in error["loc"] if step != "[key]"] + error.get("ctx", {}).get("at", [])
    message = "is missing; add it" if error["type"] == "missing" else str(error["msg"]).removeprefix("Input ")
    return _line(node, location), ".".join(map(str, location)), message


def _line(node: yaml.Node, location: Location) -> int:
    """Line of the innermost part of ``location`` that stands in the file, counted from 1."""
    line = node.start_mark.line + 1
    for step in location:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == str(step)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            pair = (node.value[step], node.value[step])
        else:
            pair = None
        if pair is None:
            break
        line, node = pair[0].start_mark.line + 1, pair[1]
    return line


def _repeated_keys(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield key
            seen.add(key.value)
            yield from _repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _repeated_keys(value)
