"""Subtracting the mean on the device."""

from __future__ import annotations

import torch

from millrace.mean import MeanSubtractor


class DeviceMean:
    """What `MeanSubtractor` does, on tensors of a device; bit for bit the same in float32."""

    def __init__(self, subtractor: MeanSubtractor, device: torch.device) -> None:
        self._transform = subtractor.transform
        self._mean = torch.from_numpy(subtractor.mean).to(device)
        self._factor = None if subtractor.factor is None else torch.from_numpy(subtractor.factor).to(device)

    def subtract(
        self, images: torch.Tensor, crop_y: torch.Tensor, crop_x: torch.Tensor, is_mirrored: torch.Tensor
    ) -> torch.Tensor:
        """float32 of the shape of `images`, uint8 as they came ([N, H, W, C] or [N, C, H, W]); the rest are [N]. Does not wait."""
        floats = images.to(torch.float32)
        if self._transform.mean == "image":
            floats -= self._windows(images.shape, crop_y, crop_x, is_mirrored)
        else:
            floats -= self._mean
        if self._factor is not None:
            floats *= self._factor
        return floats

    def _windows(
        self, shape: torch.Size, crop_y: torch.Tensor, crop_x: torch.Tensor, is_mirrored: torch.Tensor
    ) -> torch.Tensor:
        """The mean at each pixel's place in the stored image."""
        is_planar = self._transform.layout == "NCHW"
        height, width = shape[2:4] if is_planar else shape[1:3]
        across = torch.arange(width, device=self._mean.device)
        columns = torch.where(is_mirrored[:, None], across.flip(0), across) + crop_x[:, None]
        rows = torch.arange(height, device=self._mean.device) + crop_y[:, None]
        if is_planar:
            return self._mean[:, rows[:, :, None], columns[:, None, :]].transpose(0, 1)
        return self._mean[rows[:, :, None], columns[:, None, :]]
