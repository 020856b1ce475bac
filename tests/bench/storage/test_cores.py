from __future__ import annotations

import os
from pathlib import Path

import pytest

import hourglass
from hourglass.bench.storage import cores


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes control groups: their files, and what the process is in."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(cores, "GROUPS", tmp_path / "groups")
    monkeypatch.setattr(cores, "OWN", tmp_path / "own")

    def write(own: str, files: dict[str, str]) -> int:
        (tmp_path / "own").write_text(own)
        for name, text in files.items():
            (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "groups" / name).write_text(text)
        return cores.available_cores()

    return write


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "350000 100000\n"}, 3),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "1600000 100000\n"}, 8),
        ("0::/pod/one\n", {"pod/one/cpu.max": "max 100000\n", "pod/cpu.max": "400000 100000\n"}, 4),
        ("0::/of/the/host\n", {"cpu.max": "300000 100000\n"}, 3),
        ("4:memory:/x\n1:cpu,cpuacct:/pod\n",
         {"cpu,cpuacct/pod/cpu.cfs_quota_us": "200000\n", "cpu,cpuacct/pod/cpu.cfs_period_us": "100000\n"}, 2),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ("0::/\n", {"cpu.max": "nonsense\n"}, 8),
        ("0::/\n", {"cpu.max": "100000 0\n"}, 8),
    ],
)  # fmt: skip
def test_a_container_has_the_cores_whose_time_it_gets(groups, own: str, files: dict[str, str], expected: int) -> None:
    assert groups(own, files) == expected


def test_without_control_groups_the_bound_cores_count(groups, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cores.available_cores() == 8
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert cores.available_cores() == 1


def test_cores_are_counted_in_one_place() -> None:
    package = Path(hourglass.__file__).parent
    counting = [path for path in package.rglob("*.py") if "sched_getaffinity(" in path.read_text(encoding="utf-8")]
    assert counting == [Path(cores.__file__)]
