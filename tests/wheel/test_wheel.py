"""The wheel: small, typed, and a library that needs PyTorch alone."""

from __future__ import annotations

import email
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]

WITHOUT = """
import importlib.abc, runpy, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r} or name.startswith("hourglass.bench"):
            raise ModuleNotFoundError(f"no module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
runpy.run_path({script!r})
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with the wheel; PyTorch and timm are those of the environment that runs the tests."""
    folder = tmp_path_factory.mktemp("fresh")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    made = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", made, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return made


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True
    )
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout


def files(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_it_is_small_and_typed_and_holds_no_weights(wheel: Path) -> None:
    assert wheel.stat().st_size < 1_000_000
    assert "hourglass/py.typed" in files(wheel)
    assert not [name for name in files(wheel) if name.endswith((".safetensors", ".npz", ".pt"))]
    assert {name.partition("/")[0] for name in files(wheel) if ".dist-info/" not in name} == {"hourglass"}


@pytest.mark.parametrize("folder", ["workflows/suites", "tables/definitions", "tables/paper", "tables/accepted"])
def test_it_holds_what_the_bench_reads_from_a_clone(wheel: Path, folder: str) -> None:
    for path in (ROOT / folder).glob("*.yaml"):
        assert f"hourglass/bench/shipped/{folder}/{path.name}" in files(wheel)


def test_it_requires_torch_alone(wheel: Path) -> None:
    (file,) = (name for name in files(wheel) if name.endswith(".dist-info/METADATA"))
    with zipfile.ZipFile(wheel) as archive:
        metadata = email.message_from_bytes(archive.read(file))
    required = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert required == ["torch>=2.1"]


def test_the_library_runs_where_only_torch_is_installed(python: Path, tmp_path: Path) -> None:
    script = WITHOUT.format(missing=of_the_bench(), script=str(HERE / "torch_alone.py"))
    assert "Linear" in run(python, "-c", script, cwd=tmp_path)


def of_the_bench() -> list[str]:
    """Modules of the packages that the extra ``bench`` brings."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    packages = {canonicalize_name(Requirement(line).name) for line in extras["bench"]}
    owners = packages_distributions()
    return sorted(module for module in owners if packages & set(map(canonicalize_name, owners[module])))


def test_a_model_of_timm_is_accelerated_outside_of_the_clone(python: Path, tmp_path: Path) -> None:
    script = shutil.copy(HERE / "timm_model.py", tmp_path)
    said = run(python, script, cwd=tmp_path)
    assert Path(said.strip()).is_relative_to(python.parents[1])


def test_the_command_line_finds_suites_and_tables_from_any_folder(python: Path, tmp_path: Path) -> None:
    assert "embedded" in run(python, "-m", "hourglass", "list", "suites", cwd=tmp_path)
