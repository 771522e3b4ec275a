"""Drains one loader, and prints a JSON line of what it took: each in a process of its own, in the venv that has it.

    python drain.py <loader> <JSON of its options>

All give batches of 250 uint8 images of 227 × 227, randomly cropped out of 256 × 256 and mirrored. Two processes' or threads' worth of work
are allowed, as there are two cores.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from cpu_time import tree_cpu_seconds
from peers_data import do_without_torchvision_operators

BATCH_SIZE = 250
CROP = 227
NUM_WORKERS = 2


def augment(jpeg: bytes) -> np.ndarray:
    """What all JPEG loaders do with an image, with Pillow."""
    from PIL import Image

    random = np.random.default_rng()
    image = Image.open(io.BytesIO(jpeg)).convert("RGB")
    y, x = random.integers(0, 256 - CROP + 1, 2)
    pixels = np.asarray(image.crop((x, y, x + CROP, y + CROP)))
    return pixels[:, ::-1].copy() if random.random() < 0.5 else pixels


def millrace(server: str, num_epochs: int, connections: int = 1, prefetch_bytes: int = 256 << 20) -> Iterator[int]:
    """The Python client of this project."""
    import millrace

    transform = millrace.Transform(CROP, mirror=True)
    with millrace.connect(server) as client:
        options: dict[str, Any] = {"connections": connections, "prefetch_bytes": prefetch_bytes, "end_of_epoch": "wrap"}
        for batch in client.stream("bench", "train", BATCH_SIZE, epochs=num_epochs, transform=transform, **options):
            yield len(batch)


def torch_pil(folder: str, num_epochs: int) -> Iterator[int]:
    """PyTorch's DataLoader on JPEG files."""
    from torch.utils.data import DataLoader, Dataset

    class Files(Dataset[np.ndarray]):
        paths = sorted(Path(folder).glob("*.jpg")) * num_epochs

        def __len__(self) -> int:
            return len(self.paths)

        def __getitem__(self, index: int) -> np.ndarray:
            return augment(self.paths[index].read_bytes())

    yield from map(len, DataLoader(Files(), BATCH_SIZE, shuffle=True, num_workers=NUM_WORKERS))


def webdataset(tar: str, num_epochs: int) -> Iterator[int]:
    """WebDataset on a tar of them."""
    import webdataset
    from torch.utils.data import DataLoader

    dataset = webdataset.WebDataset([tar] * (num_epochs * NUM_WORKERS), shardshuffle=False, empty_check=False).shuffle(
        500
    )
    dataset = dataset.to_tuple("jpg").map_tuple(augment).with_length(1)
    loader = DataLoader(dataset, BATCH_SIZE, num_workers=NUM_WORKERS)
    yield from (len(batch[0]) for batch in loader)


def mosaicml(folder: str, num_epochs: int) -> Iterator[int]:
    """MosaicML Streaming on MDS shards of them."""
    do_without_torchvision_operators()
    from streaming import StreamingDataset
    from torch.utils.data import DataLoader

    class Shards(StreamingDataset):  # type: ignore[misc]
        def __getitem__(self, index: int) -> np.ndarray:
            return augment(super().__getitem__(index)["jpeg"])

    dataset = Shards(local=folder, shuffle=True, batch_size=BATCH_SIZE)
    for _ in range(num_epochs):
        yield from map(len, DataLoader(dataset, BATCH_SIZE, num_workers=NUM_WORKERS))


def litdata(folder: str, num_epochs: int) -> Iterator[int]:
    """LitData on its chunks of them."""
    from litdata import StreamingDataLoader, StreamingDataset

    class Chunks(StreamingDataset):  # type: ignore[misc]
        def __getitem__(self, index: Any) -> np.ndarray:
            return augment(super().__getitem__(index)["jpeg"])

    dataset = Chunks(folder, shuffle=True)
    for _ in range(num_epochs):
        yield from map(len, StreamingDataLoader(dataset, batch_size=BATCH_SIZE, num_workers=NUM_WORKERS))


def tf_service(service: str, records: str, num_epochs: int, compression: str | None = None) -> Iterator[int]:
    """A client of tf.data service, which reads and augments raw records."""
    import tensorflow as tf

    def place(record: Any) -> Any:
        image = tf.reshape(tf.io.decode_raw(record, tf.uint8), (256, 256, 3))
        return tf.image.random_flip_left_right(tf.image.random_crop(image, (CROP, CROP, 3)))

    dataset = (
        tf.data.TFRecordDataset(records).repeat(num_epochs).shuffle(500).map(place, num_parallel_calls=tf.data.AUTOTUNE)
    )
    dataset = dataset.batch(BATCH_SIZE).apply(
        tf.data.experimental.service.distribute("parallel_epochs", service, compression=compression)
    )
    yield from (len(batch) for batch in dataset.prefetch(2).as_numpy_iterator())


LOADERS: dict[str, Callable[..., Iterator[int]]] = {
    loader.__name__: loader for loader in (millrace, torch_pil, webdataset, mosaicml, litdata, tf_service)
}


def main() -> None:
    """Measures from the first batch on, so that starting processes and importing libraries does not count."""
    batches = LOADERS[sys.argv[1]](**json.loads(sys.argv[2]))
    next(batches)
    others = json.loads(sys.argv[3]) if len(sys.argv) > 3 else []
    began, before = time.perf_counter(), [tree_cpu_seconds(pid) for pid in (os.getpid(), *others)]
    num_images = sum(batches)
    seconds, after = time.perf_counter() - began, [tree_cpu_seconds(pid) for pid in (os.getpid(), *others)]
    spent = [b - a for a, b in zip(before, after, strict=True)]
    result = {"imagesPerSecond": num_images / seconds, "clientMs": 1000 * spent[0] / num_images}
    print(json.dumps({**result, "serverMs": 1000 * sum(spent[1:]) / num_images}))


if __name__ == "__main__":
    main()
