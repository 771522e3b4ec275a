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
from millrace.options import ColorJitter, Position, ReconnectEvent, Transform
from millrace.stream import Stream
from millrace.tls import Tls

__all__ = [
    "Batch",
    "Client",
    "ColorJitter",
    "DatasetInfo",
    "MillraceError",
    "Position",
    "ReconnectEvent",
    "Stream",
    "Tls",
    "Transform",
    "UsageError",
    "connect",
    "presets",
]
