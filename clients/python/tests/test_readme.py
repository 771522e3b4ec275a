"""The README's own lines, run as they stand."""

import re
import subprocess
import sys

import pytest
from conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text()
SECTION = README[README.index("## From PyTorch, JAX or plain Python") :].split("\n## ")[0]
PROGRAMS = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)


@pytest.mark.parametrize("program", PROGRAMS, ids=["torch", "numpy", "jax", "options"])
def test_the_readme_does_as_it_says(server, program):
    assert "127.0.0.1:50051" in program
    program = program.replace("127.0.0.1:50051", server.address)
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
