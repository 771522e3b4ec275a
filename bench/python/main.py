"""`make bench-python`: the Python client beside the loaders that people use instead, and over a long way.

    python main.py [--images 8000] [--runs 3] [--only NAME …]

Every loader runs in a process of its own; runs alternate, and medians are given. A loader that does not install here is left out, and
the table says so.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
PYTHONS = {
    "millrace": REPOSITORY / "clients/python/.venv/bin/python",
    "peers": REPOSITORY / ".build/bench-torch/bin/python",
    "tensorflow": REPOSITORY / ".build/bench-tensorflow/bin/python",
}
NUM_IMAGES_STORED = 400
QUIET = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


NOTES = """\
Random crop 227 out of 256 × 256, mirror, uint8, batch 250; everything on one machine, page cache warm. Millrace and tf.data
service give raw pixels out of one process to another; the others decode JPEGs (256 × 256, quality 95) in the trainer's process
and two workers. Medians of {num_runs} alternating runs of {num_images} images. CPU is user + system, of all processes. The proxy's own CPU
does not count; through it five connections receive up to 1 GiB ahead, and 20 and 100 ms are to be compared with 0 ms. FFCV is not
here: it has no wheel, and does not build without OpenCV's headers."""


def run(python: str, script: str, *arguments: str) -> str:
    """The last line that a script of this folder printed."""
    command = [str(PYTHONS[python]), str(HERE / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=QUIET, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{script} {arguments[0]}: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout.strip().rpartition("\n")[2]


def tell(line: str) -> None:
    """Progress, apart from the report."""
    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def background(*command: str) -> Iterator[tuple[int, str]]:
    """A process and the first line it prints."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=QUIET) as process:
        assert process.stdout is not None
        try:
            yield process.pid, process.stdout.readline().strip()
        finally:
            process.kill()


def drain(loader: str, options: dict[str, Any], *servers: int) -> dict[str, float]:
    """What draining a loader took."""
    python = {"millrace": "millrace", "tf_service": "tensorflow"}.get(loader, "peers")
    result: dict[str, float] = json.loads(run(python, "drain.py", loader, json.dumps(options), json.dumps(servers)))
    return result


def prepare(folder: Path) -> None:
    """The split `bench`, out of the sample of ImageNet's train set."""
    data = Path(os.environ.get("MILLRACE_TEST_DATA", REPOSITORY / "../shared/data"))
    (folder / "archives").mkdir()
    for path in [*data.glob("ILSVRC2012*.tar"), *data.glob("ilsvrc12-aux/*")]:
        (folder / "archives" / path.name).symlink_to(path.resolve())
    command = [
        "node",
        "dist/cli/main.js",
        "prepare",
        "ilsvrc2012-sample",
        "--split",
        "train",
        "--root",
        str(folder),
        "--as",
        "bench",
    ]
    subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def write_raw(server: str, out: Path) -> None:
    """The images as stored, for the peers."""
    out.mkdir()
    program = (
        "import sys, pathlib, millrace\n"
        "stream = millrace.connect(sys.argv[1]).stream('bench', 'train', 1, epochs=1, shuffle='none',"
        " transform=millrace.Transform(channel_order='RGB'))\n"
        "for batch in stream: pathlib.Path(sys.argv[2], f'{batch.ids[0]:05d}.raw').write_bytes(batch.images)\n"
    )
    subprocess.run([str(PYTHONS["millrace"]), "-c", program, server, str(out)], check=True)


Case = tuple[str, Callable[[], dict[str, float]]]


def cases(stack: contextlib.ExitStack, folder: Path, num_images: int, wanted: list[str]) -> Iterator[Case]:
    """Every loader that can be had, by its name in the table."""
    epochs = num_images // NUM_IMAGES_STORED
    serve = ("node", str(REPOSITORY / "dist/cli/main.js"), "serve", "--root", str(folder), "--port", "0", "--json")
    server_pid, line = stack.enter_context(background(*serve))
    address = json.loads(line)["address"]

    def millrace(server: str, **options: Any) -> Callable[[], dict[str, float]]:
        return lambda: drain("millrace", {"server": server, "num_epochs": epochs, **options}, server_pid)

    yield "Millrace, from a server", millrace(address)
    listen = ("--listen", f"unix:{folder}/socket")
    unix_pid, _ = stack.enter_context(background(*serve, *listen))
    yield (
        "Millrace, from a server at a unix socket, shared memory",
        lambda: drain("millrace", {"server": listen[1], "num_epochs": epochs}, unix_pid),
    )
    yield "Millrace, two connections", millrace(address, connections=2)
    for milliseconds in (0, 20, 100):
        command = (str(PYTHONS["millrace"]), str(HERE / "delay_proxy.py"), address, str(milliseconds))
        _, port = stack.enter_context(background(*command))
        name = f"Millrace, through a proxy that adds {milliseconds} ms"
        yield name, millrace(f"127.0.0.1:{port}", connections=5, prefetch_bytes=1 << 30)

    raw = folder / "raw"
    write_raw(address, raw)

    def written(python: str, way: str, name: str) -> Path | None:
        out = folder / name
        if wanted and not any(part in name for part in wanted):
            return None
        tell(f"writing what is read by {name}")
        try:
            run(python, "peers_data.py", way, str(raw), str(out))
        except (RuntimeError, OSError) as error:
            tell(f"left out, as it cannot be had here: {name} ({error})")
            return None
        return out

    if files := written("peers", "files", "files"):
        yield (
            "torch DataLoader + Pillow, JPEG files",
            lambda: drain("torch_pil", {"folder": str(files), "num_epochs": epochs}),
        )
        tar = str(files / "images.tar")
        yield "WebDataset, JPEG", lambda: drain("webdataset", {"tar": tar, "num_epochs": epochs // 2})
    if mds := written("peers", "mds", "mosaicml"):
        yield "MosaicML Streaming, JPEG", lambda: drain("mosaicml", {"folder": str(mds), "num_epochs": epochs})
    if chunks := written("peers", "litdata", "litdata"):
        yield "LitData, JPEG", lambda: drain("litdata", {"folder": str(chunks), "num_epochs": epochs})
    if records := written("tensorflow", "tfrecord", "tf_service"):
        command = (str(PYTHONS["tensorflow"]), str(HERE / "tf_server.py"))
        pid, service = stack.enter_context(background(*command))
        for compression in (None, "AUTO"):
            options = {
                "service": f"grpc://{service}",
                "records": str(records),
                "num_epochs": epochs,
                "compression": compression,
            }
            name = f"tf.data service, raw records, compression {'on' if compression else 'off'}"
            yield name, lambda options=options, pid=pid: drain("tf_service", options, pid)


def table(results: dict[str, list[dict[str, float]]], num_images: int, num_runs: int) -> str:
    """The report."""
    columns = [
        "loader",
        "images/s",
        "client CPU ms/image",
        "server CPU ms/image",
        "both",
        "images per CPU s, of Millrace's",
    ]
    rows = []
    first = 0.0
    for name, runs in results.items():
        rate, client, server = (
            statistics.median(one[key] for one in runs) for key in ("imagesPerSecond", "clientMs", "serverMs")
        )
        both = client + server
        first = first or both
        rows.append([name, f"{rate:.0f}", f"{client:.3f}", f"{server:.3f}", f"{both:.3f}", f"{first / both:.2f}"])
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        [
            "# Batches in Python, beside other loaders",
            "",
            f"{datetime.date.today()}, {os.cpu_count()} × {platform.processor() or platform.machine()}, Python {platform.python_version()}",
            "",
            NOTES.format(num_runs=num_runs, num_images=num_images),
            "",
            *(f"| {' | '.join(line)} |" for line in lines),
            "",
        ]
    )


def main() -> None:
    """Measures, prints and writes bench/results/python.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=16_000, help="of each run")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--only",
        nargs="*",
        default=[],
        help="peers whose name has one of these parts: files, mosaicml, litdata, tf_service",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as name, contextlib.ExitStack() as stack:
        tell("preparing the images")
        prepare(Path(name))
        results: dict[str, list[dict[str, float]]] = {}
        measures = dict(cases(stack, Path(name), options.images, options.only))
        for number in range(options.runs):
            for case, measure in measures.items():
                try:
                    result = measure()
                except RuntimeError as error:
                    tell(f"failed: {case}: {error}")
                    continue
                results.setdefault(case, []).append(result)
                both = result["clientMs"] + result["serverMs"]
                tell(
                    f"run {number + 1} of {options.runs}: {case}: {result['imagesPerSecond']:.0f} images/s, {both:.3f} CPU ms/image"
                )
        text = table({case: runs for case, runs in results.items() if runs}, options.images, options.runs)
    print(text)
    (REPOSITORY / "bench/results/python.md").write_text(text)


if __name__ == "__main__":
    main()
