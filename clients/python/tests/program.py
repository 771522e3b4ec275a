"""Programs in processes of their own."""

import subprocess
import sys
import textwrap
from typing import Any

#: Says where a program hangs, if it does, and ends it.
_WATCH = "import faulthandler; faulthandler.dump_traceback_later(100, exit=True)\n"


def start_program(code: str, *arguments: str, may_fork: bool = False) -> "subprocess.Popen[str]":
    """Python, with pipes at all its ends. One that forks is not watched, as the watching thread does not come along."""
    return subprocess.Popen(
        [sys.executable, "-c", ("" if may_fork else _WATCH) + textwrap.dedent(code), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_program(code: str, *arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Python, until it ends; `options` are those of `subprocess.run`."""
    command = [sys.executable, "-c", _WATCH + textwrap.dedent(code), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)
