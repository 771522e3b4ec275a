"""Millrace: shuffled, mean-subtracted image batches from servers elsewhere, for NumPy, PyTorch (`millrace.torch`) and JAX (`millrace.jax`).

client = millrace.connect(["feeder-1:50051", "feeder-2:50051"])
for batch in client.stream("imagenette-160", "train", batch_size=64, epochs=10):
    batch.normalized(), batch.labels  # float32 [N, H, W, C], int64 [N]
"""

from millrace import presets
from millrace.batch import Batch
from millrace.client import Client, connect
from millrace.dataset_info import DatasetInfo
from millrace.errors import MillraceError, UsageError
from millrace.options import LabelOptions, Position, ReconnectEvent
from millrace.selection import BlockShape, Selection, Source
from millrace.stream import Stream
from millrace.tls import Tls
from millrace.transform import ColorJitter, Mixing, Transform

__all__ = [
    "Batch",
    "BlockShape",
    "Client",
    "ColorJitter",
    "DatasetInfo",
    "LabelOptions",
    "MillraceError",
    "Mixing",
    "Position",
    "ReconnectEvent",
    "Selection",
    "Source",
    "Stream",
    "Tls",
    "Transform",
    "UsageError",
    "connect",
    "presets",
]
