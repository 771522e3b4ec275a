"""The examples: one trains on real images, to an accuracy that chance does not give; the other goes on after a kill in a larger world."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
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
            goal, line = first.stdout.readline(), first.stdout.readline()
            first.kill()
        assert "meant to reach 65 %" in goal
        assert line.startswith("epoch 1 of 3"), line
        second = subprocess.run([*script, "--server", server.address], **options, check=True)
    lines = second.stdout.splitlines()[1:]
    assert [line.split(":")[0] for line in lines] == ["epoch 2 of 3", "epoch 3 of 3"]
    assert float(re.search(r"accuracy ([\d.]+)", lines[-1])[1]) >= 0.65, lines


#: For where no torchvision belongs to the torch that is installed: it is large, and only a model is wanted of it.
TORCHVISION = """
    from torch import nn

    def get_model(name, *, weights, num_classes):
        assert name == "resnet18" and weights is None
        pooled = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        return nn.Sequential(pooled, nn.Flatten(), nn.Linear(8, num_classes))
"""

#: Runs a script, which a kill -9 ends while it writes its second checkpoint.
KILLED = """
    import os, runpy, signal, sys, torch

    save = torch.save

    def save_once(parts, file):
        if file.with_suffix(".pt").exists():
            file.write_bytes(b"half of it")
            os.kill(os.getpid(), signal.SIGKILL)
        save(parts, file)

    torch.save = save_once
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_imagenet_training_goes_on_after_a_kill_with_twice_the_processes(server, tmp_path):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision/__init__.py").touch()
    (tmp_path / "torchvision/models.py").write_text(textwrap.dedent(TORCHVISION))
    path = [os.environ.get("PYTHONPATH", "")] + ([] if importlib.util.find_spec("torchvision") else [str(tmp_path)])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(path)}
    options = {"env": environment, "stdout": subprocess.PIPE, "text": True}
    script = [str(REPOSITORY / "examples/train_imagenet.py"), "--server", server.address, "--dataset", "sample"]
    script += ["--model", "resnet18", "--crop", "24", "--global-batch", "40", "--epochs", "2"]
    script += ["--save-every", "2", "--log-every", "1", "--out", str(tmp_path)]

    first = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), *script], **options, check=False)
    assert first.returncode == -signal.SIGKILL
    two = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    second = subprocess.run([*two, *script], **options, check=True)
    lines = [line.split(":")[0] for line in second.stdout.splitlines()]
    assert lines == [
        "goes on at epoch 1, step 3",
        *(f"epoch 1, step {step} of 5" for step in (3, 4, 5)),
        "epoch 1 of 2",
        *(f"epoch 2, step {step} of 5" for step in range(1, 6)),
        "epoch 2 of 2",
    ]
    saved = torch.load(tmp_path / "resnet18.pt", weights_only=True)
    assert saved["schedule"]["last_epoch"] == 10
    assert (saved["stream"]["epoch"], saved["stream"]["step"]) == (2, 0)

    longer = subprocess.run([sys.executable, *script, "--epochs", "3"], **options, stderr=subprocess.PIPE, check=False)
    assert "is of a run of 10 steps, this one has 15: give the same --epochs" in longer.stderr
