"""Stream options as the wire's request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from millrace.options import Position, StreamOptions
from millrace.selection import BlockShape, Selection
from millrace.transform import Transform
from millrace.v1 import batch_pb2 as pb

_SHUFFLE: Final = {"full": pb.SHUFFLE_FULL, "none": pb.SHUFFLE_NONE, "blocks": pb.SHUFFLE_BLOCKS}
_END_OF_EPOCH: Final = {"drop": pb.END_OF_EPOCH_DROP, "pad": pb.END_OF_EPOCH_PAD, "wrap": pb.END_OF_EPOCH_WRAP}
_CROP_MODE: Final = {
    "random": pb.CROP_MODE_RANDOM,
    "center": pb.CROP_MODE_CENTER,
    "random_resized": pb.CROP_MODE_RANDOM_RESIZED,
    "ten": pb.CROP_MODE_TEN,
}
_MEAN_MODE: Final = {
    "image": pb.MEAN_MODE_IMAGE,
    "channel": pb.MEAN_MODE_CHANNEL,
    "none": pb.MEAN_MODE_NONE,
    "values": pb.MEAN_MODE_VALUES,
}
_DTYPE: Final = {
    "uint8": pb.WIRE_DTYPE_UINT8,
    "float32": pb.WIRE_DTYPE_FLOAT32,
    "float16": pb.WIRE_DTYPE_FLOAT16,
    "bfloat16": pb.WIRE_DTYPE_BFLOAT16,
}
_LAYOUT: Final = {"NHWC": pb.LAYOUT_NHWC, "NCHW": pb.LAYOUT_NCHW}
_CHANNEL_ORDER: Final = {"BGR": pb.CHANNEL_ORDER_BGR, "RGB": pb.CHANNEL_ORDER_RGB}


def wire_request(
    options: StreamOptions, position: Position, versions: Sequence[str], lane: int
) -> pb.StreamBatchesRequest:
    """What is left of a stream from `position` on, for one of its connections.

    Rank r of w is parts r·k to r·k + k − 1 of w·k equal ones, so k connections that ask as ranks of a world k times as large bring
    the same batch. `versions` are those that the run began with, one a source.
    """
    mean_dataset, mean_split = options.mean_of or ("", "")
    remaining = 0 if options.end_epoch is None else options.end_epoch - position.epoch
    blocks = options.blocks or BlockShape()
    request = pb.StreamBatchesRequest(
        seed=options.seed,
        epoch=position.epoch,
        step=position.step,
        num_epochs=remaining,
        global_batch_size=options.global_batch_size,
        rank=options.rank * options.connections + lane,
        world_size=options.world_size * options.connections,
        shuffle=_SHUFFLE[options.shuffle],
        block_samples=blocks.block_samples,
        window_blocks=blocks.window_blocks,
        end_of_epoch=_END_OF_EPOCH[options.end_of_epoch],
        mean_dataset=mean_dataset,
        mean_split=mean_split,
        transform=_wire_transform(options.transform),
    )
    if len(options.sources) == 1:
        (source,) = options.sources
        request.dataset, request.split, request.version = source.dataset, source.split, versions[0]
        request.selection.CopyFrom(_wire_selection(source.selection))
        return request
    for source, version in zip(options.sources, versions, strict=True):
        request.sources.add(
            dataset=source.dataset,
            split=source.split,
            version=version,
            weight=source.weight or 0,
            selection=_wire_selection(source.selection),
        )
    return request


def _wire_selection(selection: Selection | None) -> pb.Selection:
    if selection is None:
        return pb.Selection()
    return pb.Selection(
        ids=selection.ids,
        classes=selection.classes,
        balance_classes=selection.balance_classes,
        class_weights=selection.class_weights,
    )


def _wire_transform(transform: Transform) -> pb.Transform:
    jitter = transform.color_jitter
    return pb.Transform(
        crop_size=transform.crop_size or 0,
        crop_mode=_CROP_MODE[transform.crop_mode],
        area=pb.Range(min=transform.area[0], max=transform.area[1]),
        aspect_ratio=pb.Range(min=transform.aspect_ratio[0], max=transform.aspect_ratio[1]),
        mirror=transform.mirror,
        color_jitter=pb.ColorJitter(
            brightness=jitter.brightness, contrast=jitter.contrast, saturation=jitter.saturation, hue=jitter.hue
        ),
        lighting=transform.lighting,
        mean=_MEAN_MODE[transform.mean],
        mean_values=transform.mean_values,
        scale=transform.scale,
        std=transform.std,
        mixing=pb.Mixing(mixup_alpha=transform.mixing.mixup_alpha, cutmix_alpha=transform.mixing.cutmix_alpha),
        dtype=_DTYPE[transform.dtype],
        layout=_LAYOUT[transform.layout],
        channel_order=_CHANNEL_ORDER[transform.channel_order],
    )
