"""Batches for PyTorch: `BatchStream`."""

from millrace.torch.batch_stream import BatchStream, TorchBatch

__all__ = ["BatchStream", "TorchBatch"]
