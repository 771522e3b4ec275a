"""Transforms of well-known training recipes. `dataclasses.replace(presets.RESNET, crop_size=128)` changes one."""

from __future__ import annotations

from typing import Any, Final

from millrace.transform import ColorJitter, Transform

# Mean and deviation of ImageNet as torchvision's models expect them (0.485, 0.456, 0.406 and 0.229, 0.224, 0.225), B, G, R.
_IMAGENET: Final[dict[str, Any]] = {
    "mean": "values",
    "mean_values": (103.53, 116.28, 123.675),
    "std": (57.375, 57.12, 58.395),
    "channel_order": "RGB",
}

#: models/bvlc_alexnet and bvlc_reference_caffenet of Caffe in TRAIN phase.
CAFFE_ALEXNET: Final = Transform(crop_size=227, mirror=True)
#: models/bvlc_googlenet of Caffe in TRAIN phase.
CAFFE_GOOGLENET: Final = Transform(crop_size=224, mirror=True, mean="values", mean_values=(104, 117, 123))
#: What torchvision's models are trained with.
RESNET: Final = Transform(crop_size=224, crop_mode="random_resized", mirror=True, **_IMAGENET)
#: And tested with.
EVAL: Final = Transform(crop_size=224, crop_mode="center", **_IMAGENET)
#: The jitter of ResNet's training (fb.resnet.torch), beside a lighting of 0.1.
RESNET_JITTER: Final = ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4)
#: The jitter of Inception's training; its brightness is 32 of 255 grey levels.
INCEPTION_JITTER: Final = ColorJitter(brightness=0.125, contrast=0.5, saturation=0.5, hue=0.2)
