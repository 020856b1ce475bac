"""YAML files as validated models, with errors that say file, line, field and the nearest valid name.

Every YAML file goes through `read`: no tags, no links to what is no file, and limits on size, depth and number of
values, so that a file of a few lines cannot stand for billions.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, ComposerError
from ruamel.yaml.constructor import ConstructorError, DuplicateKeyError, RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import Node

from hourglass.registry import UnknownNameError, UserError

MOST_BYTES = 1 << 20
MOST_VALUES = 20_000
DEEPEST = 32
"""Limits of a file; aliases count as what they stand for."""

M = TypeVar("M", bound="Document")
Location = Sequence[str | int]


class Document(BaseModel):
    """A model to which a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _knows_every_key(cls, data: Any) -> Any:
        # In place of `extra="forbid"`, whose message names neither the known fields nor the nearest one.
        for key in data if isinstance(data, dict) else ():
            if key not in cls.model_fields:
                raise unknown("field", key, list(cls.model_fields), at=(key,))
        return data


def invalid(message: str, *, at: Location) -> PydanticCustomError:
    """A validator's complaint about what stands ``at`` these keys, below the document that is being validated."""
    return PydanticCustomError("invalid", "{message}", {"message": message, "at": list(at)})


def unknown(kind: str, name: object, known: Sequence[str], *, at: Location) -> PydanticCustomError:
    """A validator's complaint about a name that nothing has."""
    return invalid(str(UnknownNameError(kind, name, known)), at=at)


def read(path: Path, model: type[M]) -> M:
    """The content of a YAML file as a model.

    Raises:
        UserError: The file cannot be read or is not a valid ``model``.
    """
    written = _parsed(path)
    if not isinstance(written, dict):
        raise UserError(f"{path}: must hold fields, one `name: value` a line")
    try:
        return model.model_validate(_plain(written, path, iter(range(MOST_VALUES))))
    except ValidationError as errors:
        # A list is also called too short when its only entry is wrong; that is then no help.
        _, line, where, what = min(
            (error["type"] == "too_short", *_explain(written, error)) for error in errors.errors()
        )
        raise UserError(f"{path}:{line}: {_one_line(f'{where}: {what}')}") from None


def as_yaml(content: object, *, width: int) -> str:
    """YAML of plain values: keys in order of insertion, the innermost lists and dicts on one line."""
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = None
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.width = width
    text = io.StringIO()
    writer.dump(content, text)
    return text.getvalue()


class _Composer(Composer):
    """Refuses what is too much, nested too deeply, or within itself, while it is read."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._open: list[str | None] = []
        self._count = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.parser.peek_event()
        if isinstance(event, AliasEvent) and event.anchor in self._open:
            raise ComposerError(None, None, f"'{event.anchor}' contains itself", event.start_mark)
        if len(self._open) > DEEPEST:
            raise ComposerError(None, None, f"nested more than {DEEPEST} deep", event.start_mark)
        self._count += 1
        if self._count > 2 * MOST_VALUES:  # keys are counted here too
            raise ComposerError(None, None, f"more than {MOST_VALUES} values", event.start_mark)
        self._open.append(event.anchor)
        try:
            return super().compose_node(parent, index)
        finally:
            self._open.pop()


class _Constructor(RoundTripConstructor):
    """Remembers lines; knows numbers, texts, lists and dicts alone."""

    def construct_undefined(self, node: Node) -> NoReturn:
        kind = str(node.tag).removeprefix("tag:yaml.org,2002:")
        raise ConstructorError(None, None, f"'{kind}' is none of the kinds that are used here", node.start_mark)


_Constructor.add_constructor(None, _Constructor.construct_undefined)
for _kind in ("binary", "timestamp", "set", "omap", "pairs"):
    _Constructor.add_constructor(f"tag:yaml.org,2002:{_kind}", _Constructor.construct_undefined)


def _parsed(path: Path) -> Any:
    """What the file holds, in containers of ruamel.yaml that know their lines."""
    text = _text(path)
    reader = YAML(typ="rt", pure=True)
    reader.Composer, reader.Constructor = _Composer, _Constructor
    try:
        return reader.load(text)
    except DuplicateKeyError as error:
        name = str(error.problem).partition('"')[2].partition('"')[0]
        raise UserError(f"{path}:{_mark(error)}: field '{_one_line(name)}' is given twice; remove one") from None
    except MarkedYAMLError as error:
        raise UserError(f"{path}:{_mark(error)}: not YAML: {_one_line(error.problem)}") from None
    except Exception as error:  # a scalar that is not what its tag says can raise anything
        raise UserError(f"{path}: not YAML: {_one_line(error)}") from None


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path}: is no file; name a YAML file")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise UserError(f"{path}: has more than {MOST_BYTES >> 20} MiB; divide it")
        return content.decode("utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: cannot be read: {_one_line(error)}") from None


def _plain(value: Any, path: Path, budget: Iterator[int], depth: int = 0) -> Any:
    """The same in plain dicts, lists and numbers, with everything that aliases stand for."""
    if depth > DEEPEST:
        raise UserError(f"{path}: is nested more than {DEEPEST} deep; write it flatter")
    if next(budget, None) is None:
        raise UserError(f"{path}: has more than {MOST_VALUES} values, counting what aliases stand for; divide it")
    if isinstance(value, dict):
        return {key: _plain(part, path, budget, depth + 1) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part, path, budget, depth + 1) for part in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def _explain(written: Any, error: Any) -> tuple[int, str, str]:
    location = [step for step in error["loc"] if step != "[key]"] + error.get("ctx", {}).get("at", [])
    message = "is missing; add it" if error["type"] == "missing" else str(error["msg"]).removeprefix("Input ")
    return _line(written, location), ".".join(map(str, location)), message


def _line(written: Any, location: Location) -> int:
    """Line of the innermost part of ``location`` that stands in the file, counted from 1."""
    line = written.lc.line
    for step in location:
        try:
            lines = written.lc
            line = (lines.key if isinstance(written, dict) else lines.item)(step)[0]
            written = written[step]
        except (AttributeError, LookupError, TypeError):
            break
    return int(line) + 1


def _mark(error: MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return int(mark.line) + 1 if mark else 1


def _one_line(error: object) -> str:
    """A message, which may quote anything that is in the file, fit to be shown."""
    return "".join(filter(str.isprintable, " ".join(str(error).split())))
