"""A small dataset, prepared as a user would, and real servers of it."""

import contextlib
import io
import json
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import millrace

REPOSITORY = Path(__file__).parents[3]
MAIN = REPOSITORY / "dist/cli/main.js"
NUM_SAMPLES = 203
SIDE = 40
NUM_CLASSES = 5
AUGMENTED = millrace.Transform(crop_size=24, mirror=True)


def fixture_pixels(sample_id: int) -> np.ndarray:
    """The pixels of a sample as stored, uint8 [C, H, W] in B, G, R order: noise that depends on the id alone."""
    return np.random.default_rng(sample_id).integers(0, 256, (3, SIDE, SIDE), dtype=np.uint8)


def run_millrace(*arguments: str) -> str:
    """What it printed."""
    return subprocess.run(["node", str(MAIN), *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with the prepared splits noise/train, and sample/train and sample/val, the same; sample i has label i % NUM_CLASSES."""
    folder = tmp_path_factory.mktemp("root")
    (folder / "archives").mkdir()
    with tarfile.open(folder / "archives/noise.tar", "w") as archive:
        for i in range(NUM_SAMPLES):
            png = io.BytesIO()
            Image.fromarray(fixture_pixels(i)[::-1].transpose(1, 2, 0).copy()).save(png, "PNG")
            member = tarfile.TarInfo(f"train/class{i % NUM_CLASSES}/{i:04d}.png")
            member.size = png.tell()
            png.seek(0)
            archive.addfile(member, png)
    split = "{ archive: noise.tar, prefix: train/, labels: { from: folder } }"
    dataset = folder / "noise.yaml"
    dataset.write_text(
        f"name: noise\nabout: noise\narchives: [{{ file: noise.tar }}]\nsplits: {{ train: {split}, val: {split} }}\n"
    )
    options = ["--root", str(folder), "--size", str(SIDE), "--no-shuffle", "--shard-samples", "50"]
    run_millrace("prepare", str(dataset), *options, "--split", "train")
    # Under the name of the README's dataset too.
    run_millrace("prepare", str(dataset), *options, "--as", "sample")
    return folder


class Server:
    """A batch server as a process of its own, with more flags of `millrace serve`."""

    def __init__(self, root: Path, *flags: str, port: str = "0") -> None:
        command = ["node", str(MAIN), "serve", "--root", str(root), "--port", port, "--json", *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = json.loads(line)
            if event.get("event") == "listening":
                self.address: str = event["address"]
                return
        raise RuntimeError(f"{' '.join(command)} ended without listening")

    def kill(self) -> None:
        """With kill -9. May be called twice."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


StartServer = Callable[..., Server]


@pytest.fixture
def start_server(root: Path) -> Iterator[StartServer]:
    """Starts servers of the root, which end with the test."""
    with contextlib.ExitStack() as stack:

        def start(*flags: str, port: str = "0") -> Server:
            server = Server(root, *flags, port=port)
            stack.callback(server.kill)
            return server

        yield start


@pytest.fixture(scope="session")
def server(root: Path) -> Iterator[Server]:
    """One for all tests that do it no harm."""
    with Server(root) as server:
        yield server


@pytest.fixture(scope="session")
def unix_server(root: Path) -> Iterator[Server]:
    """The same at a socket in the file system, which shares its memory."""
    # A socket's path may have a hundred characters.
    with tempfile.TemporaryDirectory() as folder, Server(root, "--listen", f"unix:{folder}/socket") as server:
        yield server


@pytest.fixture(params=["server", "unix_server"])
def any_server(request: pytest.FixtureRequest) -> Server:
    """One that sends pixels, and one that shares its memory."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def client(server: Server) -> Iterator[millrace.Client]:
    with millrace.connect(server.address) as client:
        yield client


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert lane_threads() == []


def lane_threads() -> list[str]:
    """Our receiving threads that run now, by the system's own count (gRPC's idle ones are not ours to end)."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("millrace-")]


def assert_same(got: millrace.Batch, expected: millrace.Batch) -> None:
    """To the last bit."""
    assert (got.epoch, got.step, got.is_last_step) == (expected.epoch, expected.step, expected.is_last_step)
    for name in ("images", "labels", "ids", "crop_y", "crop_x", "is_mirrored", "is_valid"):
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name), err_msg=name)


def assert_all_same(got: Iterable[millrace.Batch], expected: Iterable[millrace.Batch]) -> None:
    """As many, and each to the last bit."""
    for one, other in zip(got, expected, strict=True):
        assert_same(one, other)


def stream_of(client: millrace.Client, connections: int = 1, epochs: int | None = 2) -> millrace.Stream:
    """Small batches, as few as possible ahead."""
    options = {"seed": 5, "epochs": epochs, "transform": AUGMENTED, "connections": connections, "prefetch_bytes": 0}
    return client.stream("noise", "train", 8, **options)
