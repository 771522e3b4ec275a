"""Writes what peers read: the same images as JPEG files, a tar, MDS shards, LitData chunks and raw TFRecords.

    python peers_data.py <way> <folder of *.raw> <out>

The raw files are 256 × 256 × 3 bytes each, RGB.
"""

from __future__ import annotations

import io
import sys
import tarfile
import types
from collections.abc import Iterator
from pathlib import Path


def raw_images(folder: str) -> Iterator[bytes]:
    """The pixels of each image."""
    for path in sorted(Path(folder).glob("*.raw")):
        yield path.read_bytes()


def jpegs(folder: str) -> Iterator[bytes]:
    """The images at quality 95."""
    from PIL import Image

    for raw in raw_images(folder):
        buffer = io.BytesIO()
        Image.frombytes("RGB", (256, 256), raw).save(buffer, "JPEG", quality=95)
        yield buffer.getvalue()


def write_files(folder: str, out: str) -> None:
    """*.jpg and all of them in images.tar."""
    Path(out).mkdir(parents=True)
    with tarfile.open(Path(out) / "images.tar", "w") as tar:
        for number, jpeg in enumerate(jpegs(folder)):
            path = Path(out) / f"{number:05d}.jpg"
            path.write_bytes(jpeg)
            tar.add(path, path.name)


def do_without_torchvision_operators() -> None:
    """MosaicML imports torchvision, whose build for CUDA does not load its operators beside a torch for CPUs, and then fails to
    describe them. MosaicML needs none.
    """
    name = "torchvision._meta_registrations"
    sys.modules[name] = types.ModuleType(name)


def write_mds(folder: str, out: str) -> None:
    """MosaicML's shards."""
    do_without_torchvision_operators()
    from streaming import MDSWriter

    with MDSWriter(out=out, columns={"jpeg": "bytes"}) as writer:
        for jpeg in jpegs(folder):
            writer.write({"jpeg": jpeg})


def litdata_record(jpeg: bytes) -> dict[str, bytes]:
    """At the top of the module, since LitData pickles it."""
    return {"jpeg": jpeg}


def write_litdata(folder: str, out: str) -> None:
    """LitData's chunks."""
    import litdata

    litdata.optimize(litdata_record, list(jpegs(folder)), out, chunk_bytes="64MB", num_workers=1)


def write_tfrecord(folder: str, out: str) -> None:
    """Raw TFRecords; their checksums through TensorFlow's own writer."""
    import tensorflow as tf

    with tf.io.TFRecordWriter(out) as writer:
        for raw in raw_images(folder):
            writer.write(raw)


if __name__ == "__main__":
    way, source, target = sys.argv[1:4]
    {"files": write_files, "mds": write_mds, "litdata": write_litdata, "tfrecord": write_tfrecord}[way](source, target)
