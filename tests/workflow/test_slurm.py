"""The SLURM profile on a real SLURM: one node, started for this test, whose two GPUs are files.

Needs SLURM and MUNGE (Debian: slurm-wlm, munge) and the extra ``cluster``; nothing has to be configured.
"""

from __future__ import annotations

import getpass
import importlib.util
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

MUNGE_FILES = ("socket", "key-file", "pid-file", "log-file", "seed-file")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "sinfo")
SYSTEM = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"
MISSING = [name for name in PROGRAMS if shutil.which(name, path=SYSTEM) is None]
PLUGIN = importlib.util.find_spec("snakemake_executor_plugin_slurm")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"SLURM is not installed: {', '.join(MISSING)} missing"),
    pytest.mark.skipif(PLUGIN is None, reason="the extra 'cluster' is not installed"),
]

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={root}/munge/socket
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=64000 Gres=gpu:2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES
"""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Environment in which SLURM's commands reach a cluster that lives as long as the tests."""
    root = tmp_path_factory.mktemp("slurm")
    for folder in ("munge", "state", "spool", "bin"):
        (root / folder).mkdir(mode=0o700)
    (root / "munge" / "key").write_bytes(os.urandom(1024))
    (root / "munge" / "key").chmod(0o400)
    values = {"host": socket.gethostname().partition(".")[0], "user": getpass.getuser(), "root": root}
    configuration = root / "slurm.conf"
    configuration.write_text(CONFIGURATION.format(**values, controller=_free_port(), daemon=_free_port()))
    for gpu, device in enumerate(("null", "zero")):
        (root / f"gpu{gpu}").symlink_to(f"/dev/{device}")
    (root / "gres.conf").write_text(f"Name=gpu File={root}/gpu[0-1]\n")
    # The plugin takes SLURM_CONF from the environment of its jobs, and the system's configuration is none of ours.
    srun = root / "bin" / "srun"
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={configuration} exec {shutil.which("srun", path=SYSTEM)} "$@"\n')
    srun.chmod(0o755)
    changed = {"PATH": f"{root / 'bin'}{os.pathsep}{SYSTEM}", "SLURM_CONF": str(configuration)}
    environment = {**os.environ, **changed}
    munge = root / "munge"
    files = [f"--{option}={munge / option.partition('-')[0]}" for option in MUNGE_FILES]
    daemons = []
    try:
        for command in (["munged", "--foreground", "--force", *files], ["slurmctld", "-D"], ["slurmd", "-D"]):
            with (root / f"{command[0]}.log").open("w") as log:
                daemons.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
            if command[0] == "munged":
                _wait_until(lambda: (munge / "socket").exists())
        _wait_until(lambda: "idle" in _output(["sinfo"], environment))
        yield changed
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait()


@pytest.fixture
def cluster(slurm: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in slurm.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_a_suite_in_shards_runs_on_slurm_with_one_job_a_gpu(cluster: None, folder: Any) -> None:
    folder.suite.write_text(folder.suite.read_text() + "shards: 2\n")
    profile = ("--workflow-profile", "workflows/profiles/slurm", "--slurm-status-command", "squeue")
    run = folder.command(*folder.snakemake(*profile, "--slurm-init-seconds-before-status-checks", "5", device="cuda"))
    assert run.returncode
    assert "nothing has been accepted yet" in run.stdout, run.stdout
    shards = [f"shard {number}/2 {plan}" for plan in ("full", "mild") for number in (1, 2)]
    assert folder.calls() == sorted(["cost full", "cost mild", "speed mild", *shards])
    assert run.stdout.count("has been submitted with SLURM jobid") == 7
    assert len(list(folder.results.glob("*/accuracy.json"))) == 2
    assert set((folder.path / "gpus.txt").read_text().split()) == {"0", "1"}
    assert (folder.results / "report.html").is_file()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _output(command: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(command, env=environment, capture_output=True, text=True).stdout


def _wait_until(happened: Any) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.2)
