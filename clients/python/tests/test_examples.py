"""The example that trains, on real images and to an accuracy that chance does not give."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY, Server, run_millrace

DATA = Path(os.environ.get("MILLRACE_TEST_DATA", REPOSITORY.parent / "shared/data"))
ARCHIVE = DATA / "cifar10-images.tar.gz"


@pytest.mark.skipif(not ARCHIVE.exists(), reason=f"needs {ARCHIVE.name} in MILLRACE_TEST_DATA")
def test_a_small_resnet_learns_cifar10_and_goes_on_after_a_kill(tmp_path):
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / ARCHIVE.name).symlink_to(ARCHIVE.resolve())
    run_millrace("prepare", "cifar10", "--root", str(tmp_path))
    script = [sys.executable, str(REPOSITORY / "examples/train_cifar10.py"), "--small", "--out", str(tmp_path)]
    with Server(tmp_path) as server:
        # Threads that wait for each other by spinning would take the core that the server needs.
        options = {"env": {**os.environ, "OMP_WAIT_POLICY": "passive"}, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen([*script, "--server", server.address], **options) as first:
            line = first.stdout.readline()
            first.kill()
        assert line.startswith("epoch 1 of 3"), line
        second = subprocess.run([*script, "--server", server.address], **options, check=True)
    lines = second.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 2 of 3", "epoch 3 of 3"]
    assert float(re.search(r"accuracy ([\d.]+)", lines[-1])[1]) >= 0.65, lines
