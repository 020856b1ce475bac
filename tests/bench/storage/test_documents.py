"""YAML is read safely, within limits, and its mistakes are one line that says where."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from hourglass.bench.storage import documents
from hourglass.bench.storage.documents import Document, as_yaml, read
from hourglass.registry import UserError


class Inner(Document):
    size: int
    names: tuple[str, ...] = ()


class Outer(Document):
    title: str
    parts: dict[str, Inner] = Field(default_factory=dict)
    free: dict[str, Any] = Field(default_factory=dict)


@pytest.fixture
def fails(tmp_path: Path):
    """The message about a file with this content, without the path."""

    def message(content: str | bytes) -> str:
        path = tmp_path / "file.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(UserError) as caught:
            read(path, Outer)
        said = str(caught.value)
        assert said.startswith(f"{path}:")
        assert "\n" not in said
        assert len(said) < 600
        return said.removeprefix(f"{path}:")

    return message


def test_what_is_valid_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(
        "title: a # comment\nparts:\n  one: &one {size: 1_000, names: ['on', no]}\n  two: *one\n"
        "free: {<<: {a: 1e-3}, b: [null, true, 0.5]}\n"
    )
    found = read(path, Outer)
    assert found.parts["two"] == Inner(size=1000, names=("on", "no"))
    assert found.free == {"a": 0.001, "b": [None, True, 0.5]}
    kinds = {type(value) for value in (found.title, found.free["a"], found.free["b"][1], found.parts["one"].size)}
    assert kinds == {str, float, bool, int}, "nothing of the reader's own kinds is left"


def test_what_is_written_is_read_back() -> None:
    content = {"title": "größe: 3", "parts": {"one": {"size": 1, "names": ["a", "2020-01-01", "1e3"]}}}
    text = as_yaml(content, width=100)
    assert text.startswith("title: 'größe: 3'\nparts:\n  one:\n    size: 1\n    names: [a, ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("title: a\nparts:\n  x:\n    size: big\n", "4: parts.x.size: should be a valid integer"),
        ("title: a\nparts:\n  x: {size: 1,\n      names: [a, 3]}\n", "4: parts.x.names.1: should be a valid string"),
        ("title: a\nparts:\n  x: {}\n", "3: parts.x.size: is missing; add it"),
        ("title: a\n\ntitel: b\n", "3: titel: unknown field 'titel'; did you mean 'title'?"),
        ("title: a\nfree:\n  b: 1\n  b: 2\n", "4: field 'b' is given twice; remove one"),
        ("title: [\n", "2: not YAML: expected the node content"),
        ("", "must hold fields"),
        ("- title", "must hold fields"),
        ("--- {title: a}\n--- {title: b}\n", "2: not YAML: but found another document"),
    ],
)
def test_mistakes_say_where(fails, content: str, message: str) -> None:
    assert message in fails(content)


@pytest.mark.parametrize(
    "content",
    [
        "title: !!python/object/apply:os.system [touch /tmp/touched]",
        "!mine {title: a}",
        "title: !!binary zzz",
        "title: 2020-13-45",
        "title: 2020-01-01",
        "free: {a: !!set {x}}",
        "title: !!int foo",
        "title: !!bool foo",
        "title: \0",
        "title: \x07",
        b"title: \xff",
        "title: " + "9" * 5000,
        "<<: 3",
        "free: {<<: [1, 2]}",
        "title: *nothing",
        "free: &free {a: *free}",
        "<<: &all [*all]",
        "? [a, b]\n: 1",
        "? {a: b}\n: 1",
        "title: .nan",
        "%YAML 9.9\n---\ntitle: a",
        "title: a\n" * 3,
        "[" * 100_000,
        "title: a\nfree: " + "{a: " * 500 + "1" + "}" * 500,
        "- " * 5000,
        "title: a\n#" + "x" * documents.MOST_BYTES,
    ],
    ids=range(26),
)
def test_hostile_files_are_one_line(fails, content: str | bytes, tmp_path: Path) -> None:
    assert fails(content)
    assert not Path("/tmp/touched").exists()


def test_what_a_file_says_is_shown_without_control_characters(fails) -> None:
    for content in (
        '"a\\nb\\e[31m": 1',
        'title: a\nfree: {}\nparts: {"\\e[2J": {size: "\\u202e\\n"}}',
        '"\\e": 1\n"\\e": 2',
    ):
        assert fails(content).isprintable()


def test_the_number_of_values_is_limited_while_they_are_read(fails, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MOST_VALUES", 100)
    assert "not YAML: more than 100 values" in fails("\n".join(f"k{n}: 1" for n in range(200)))


@pytest.mark.parametrize(
    ("opening", "message"),
    [
        ("x{n}: &x{n} [{inner}]", "values, counting what aliases stand for"),
        ("x{n}: &x{n} {{a: {inner}}}", "deep; write it flatter"),
    ],
)
def test_few_lines_cannot_stand_for_billions_of_values_nor_for_endless_depth(fails, opening: str, message: str) -> None:
    lines = ["title: a", "free:", "  x0: &x0 [1, 1]"]
    for n in range(1, 60):
        inner = ", ".join([f"*x{n - 1}"] * (9 if "[" in opening else 1))
        lines.append("  " + opening.format(n=n, inner=inner))
    # The lists stand for more than 9 ** 59 values: no limit could be reported that is only checked after them all.
    assert message in fails("\n".join(lines))


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    for name in ("fifo", "device", "folder"):
        with pytest.raises(UserError, match=f"{name}: is no file; name a YAML file"):
            read(tmp_path / name, Outer)
    with pytest.raises(UserError, match="gone: no such file"):
        read(tmp_path / "gone", Outer)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(UserError, match="loop"):
        read(tmp_path / "loop", Outer)
