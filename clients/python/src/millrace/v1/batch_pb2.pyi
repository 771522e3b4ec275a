from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Resize(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESIZE_UNSPECIFIED: _ClassVar[Resize]
    RESIZE_CAFFE: _ClassVar[Resize]
    RESIZE_AREA: _ClassVar[Resize]

class Fit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FIT_UNSPECIFIED: _ClassVar[Fit]
    FIT_EXACT: _ClassVar[Fit]
    FIT_COVER: _ClassVar[Fit]

class Shuffle(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SHUFFLE_UNSPECIFIED: _ClassVar[Shuffle]
    SHUFFLE_FULL: _ClassVar[Shuffle]
    SHUFFLE_NONE: _ClassVar[Shuffle]
    SHUFFLE_BLOCKS: _ClassVar[Shuffle]

class EndOfEpoch(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    END_OF_EPOCH_UNSPECIFIED: _ClassVar[EndOfEpoch]
    END_OF_EPOCH_DROP: _ClassVar[EndOfEpoch]
    END_OF_EPOCH_PAD: _ClassVar[EndOfEpoch]
    END_OF_EPOCH_WRAP: _ClassVar[EndOfEpoch]

class CropMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CROP_MODE_UNSPECIFIED: _ClassVar[CropMode]
    CROP_MODE_RANDOM: _ClassVar[CropMode]
    CROP_MODE_CENTER: _ClassVar[CropMode]
    CROP_MODE_RANDOM_RESIZED: _ClassVar[CropMode]
    CROP_MODE_TEN: _ClassVar[CropMode]

class MeanMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MEAN_MODE_UNSPECIFIED: _ClassVar[MeanMode]
    MEAN_MODE_IMAGE: _ClassVar[MeanMode]
    MEAN_MODE_CHANNEL: _ClassVar[MeanMode]
    MEAN_MODE_NONE: _ClassVar[MeanMode]
    MEAN_MODE_VALUES: _ClassVar[MeanMode]

class WireDtype(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WIRE_DTYPE_UNSPECIFIED: _ClassVar[WireDtype]
    WIRE_DTYPE_UINT8: _ClassVar[WireDtype]
    WIRE_DTYPE_FLOAT32: _ClassVar[WireDtype]
    WIRE_DTYPE_FLOAT16: _ClassVar[WireDtype]
    WIRE_DTYPE_BFLOAT16: _ClassVar[WireDtype]

class Layout(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LAYOUT_UNSPECIFIED: _ClassVar[Layout]
    LAYOUT_NHWC: _ClassVar[Layout]
    LAYOUT_NCHW: _ClassVar[Layout]

class ChannelOrder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHANNEL_ORDER_UNSPECIFIED: _ClassVar[ChannelOrder]
    CHANNEL_ORDER_BGR: _ClassVar[ChannelOrder]
    CHANNEL_ORDER_RGB: _ClassVar[ChannelOrder]
RESIZE_UNSPECIFIED: Resize
RESIZE_CAFFE: Resize
RESIZE_AREA: Resize
FIT_UNSPECIFIED: Fit
FIT_EXACT: Fit
FIT_COVER: Fit
SHUFFLE_UNSPECIFIED: Shuffle
SHUFFLE_FULL: Shuffle
SHUFFLE_NONE: Shuffle
SHUFFLE_BLOCKS: Shuffle
END_OF_EPOCH_UNSPECIFIED: EndOfEpoch
END_OF_EPOCH_DROP: EndOfEpoch
END_OF_EPOCH_PAD: EndOfEpoch
END_OF_EPOCH_WRAP: EndOfEpoch
CROP_MODE_UNSPECIFIED: CropMode
CROP_MODE_RANDOM: CropMode
CROP_MODE_CENTER: CropMode
CROP_MODE_RANDOM_RESIZED: CropMode
CROP_MODE_TEN: CropMode
MEAN_MODE_UNSPECIFIED: MeanMode
MEAN_MODE_IMAGE: MeanMode
MEAN_MODE_CHANNEL: MeanMode
MEAN_MODE_NONE: MeanMode
MEAN_MODE_VALUES: MeanMode
WIRE_DTYPE_UNSPECIFIED: WireDtype
WIRE_DTYPE_UINT8: WireDtype
WIRE_DTYPE_FLOAT32: WireDtype
WIRE_DTYPE_FLOAT16: WireDtype
WIRE_DTYPE_BFLOAT16: WireDtype
LAYOUT_UNSPECIFIED: Layout
LAYOUT_NHWC: Layout
LAYOUT_NCHW: Layout
CHANNEL_ORDER_UNSPECIFIED: ChannelOrder
CHANNEL_ORDER_BGR: ChannelOrder
CHANNEL_ORDER_RGB: ChannelOrder

class ListDatasetsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListDatasetsResponse(_message.Message):
    __slots__ = ("splits",)
    SPLITS_FIELD_NUMBER: _ClassVar[int]
    splits: _containers.RepeatedCompositeFieldContainer[Split]
    def __init__(self, splits: _Optional[_Iterable[_Union[Split, _Mapping]]] = ...) -> None: ...

class GetDatasetRequest(_message.Message):
    __slots__ = ("dataset", "split")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    split: str
    def __init__(self, dataset: _Optional[str] = ..., split: _Optional[str] = ...) -> None: ...

class GetDatasetResponse(_message.Message):
    __slots__ = ("split", "labels", "mean", "class_counts")
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    CLASS_COUNTS_FIELD_NUMBER: _ClassVar[int]
    split: Split
    labels: _containers.RepeatedCompositeFieldContainer[ClassLabel]
    mean: Mean
    class_counts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, split: _Optional[_Union[Split, _Mapping]] = ..., labels: _Optional[_Iterable[_Union[ClassLabel, _Mapping]]] = ..., mean: _Optional[_Union[Mean, _Mapping]] = ..., class_counts: _Optional[_Iterable[int]] = ...) -> None: ...

class Split(_message.Message):
    __slots__ = ("dataset", "split", "version", "num_samples", "height", "width", "channels", "preparation")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NUM_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    PREPARATION_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    split: str
    version: str
    num_samples: int
    height: int
    width: int
    channels: int
    preparation: Preparation
    def __init__(self, dataset: _Optional[str] = ..., split: _Optional[str] = ..., version: _Optional[str] = ..., num_samples: _Optional[int] = ..., height: _Optional[int] = ..., width: _Optional[int] = ..., channels: _Optional[int] = ..., preparation: _Optional[_Union[Preparation, _Mapping]] = ...) -> None: ...

class Preparation(_message.Message):
    __slots__ = ("resize", "fit")
    RESIZE_FIELD_NUMBER: _ClassVar[int]
    FIT_FIELD_NUMBER: _ClassVar[int]
    resize: Resize
    fit: Fit
    def __init__(self, resize: _Optional[_Union[Resize, str]] = ..., fit: _Optional[_Union[Fit, str]] = ...) -> None: ...

class ClassLabel(_message.Message):
    __slots__ = ("id", "name")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class Mean(_message.Message):
    __slots__ = ("channel_mean", "channel_std", "image")
    CHANNEL_MEAN_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_STD_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    channel_mean: _containers.RepeatedScalarFieldContainer[float]
    channel_std: _containers.RepeatedScalarFieldContainer[float]
    image: bytes
    def __init__(self, channel_mean: _Optional[_Iterable[float]] = ..., channel_std: _Optional[_Iterable[float]] = ..., image: _Optional[bytes] = ...) -> None: ...

class StreamBatchesRequest(_message.Message):
    __slots__ = ("dataset", "split", "version", "seed", "epoch", "step", "num_epochs", "global_batch_size", "rank", "world_size", "shuffle", "end_of_epoch", "transform", "selection", "sources", "block_samples", "window_blocks", "mean_dataset", "mean_split")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    NUM_EPOCHS_FIELD_NUMBER: _ClassVar[int]
    GLOBAL_BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    WORLD_SIZE_FIELD_NUMBER: _ClassVar[int]
    SHUFFLE_FIELD_NUMBER: _ClassVar[int]
    END_OF_EPOCH_FIELD_NUMBER: _ClassVar[int]
    TRANSFORM_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    BLOCK_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    WINDOW_BLOCKS_FIELD_NUMBER: _ClassVar[int]
    MEAN_DATASET_FIELD_NUMBER: _ClassVar[int]
    MEAN_SPLIT_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    split: str
    version: str
    seed: int
    epoch: int
    step: int
    num_epochs: int
    global_batch_size: int
    rank: int
    world_size: int
    shuffle: Shuffle
    end_of_epoch: EndOfEpoch
    transform: Transform
    selection: Selection
    sources: _containers.RepeatedCompositeFieldContainer[Source]
    block_samples: int
    window_blocks: int
    mean_dataset: str
    mean_split: str
    def __init__(self, dataset: _Optional[str] = ..., split: _Optional[str] = ..., version: _Optional[str] = ..., seed: _Optional[int] = ..., epoch: _Optional[int] = ..., step: _Optional[int] = ..., num_epochs: _Optional[int] = ..., global_batch_size: _Optional[int] = ..., rank: _Optional[int] = ..., world_size: _Optional[int] = ..., shuffle: _Optional[_Union[Shuffle, str]] = ..., end_of_epoch: _Optional[_Union[EndOfEpoch, str]] = ..., transform: _Optional[_Union[Transform, _Mapping]] = ..., selection: _Optional[_Union[Selection, _Mapping]] = ..., sources: _Optional[_Iterable[_Union[Source, _Mapping]]] = ..., block_samples: _Optional[int] = ..., window_blocks: _Optional[int] = ..., mean_dataset: _Optional[str] = ..., mean_split: _Optional[str] = ...) -> None: ...

class Selection(_message.Message):
    __slots__ = ("ids", "classes", "balance_classes", "class_weights")
    IDS_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    BALANCE_CLASSES_FIELD_NUMBER: _ClassVar[int]
    CLASS_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[int]
    classes: _containers.RepeatedScalarFieldContainer[int]
    balance_classes: bool
    class_weights: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, ids: _Optional[_Iterable[int]] = ..., classes: _Optional[_Iterable[int]] = ..., balance_classes: bool = ..., class_weights: _Optional[_Iterable[int]] = ...) -> None: ...

class Source(_message.Message):
    __slots__ = ("dataset", "split", "version", "weight", "selection")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    split: str
    version: str
    weight: int
    selection: Selection
    def __init__(self, dataset: _Optional[str] = ..., split: _Optional[str] = ..., version: _Optional[str] = ..., weight: _Optional[int] = ..., selection: _Optional[_Union[Selection, _Mapping]] = ...) -> None: ...

class Transform(_message.Message):
    __slots__ = ("preset", "crop_size", "crop_mode", "mirror", "mean", "scale", "dtype", "layout", "channel_order", "area", "aspect_ratio", "mean_values", "std", "color_jitter", "lighting", "mixing")
    PRESET_FIELD_NUMBER: _ClassVar[int]
    CROP_SIZE_FIELD_NUMBER: _ClassVar[int]
    CROP_MODE_FIELD_NUMBER: _ClassVar[int]
    MIRROR_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_ORDER_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    ASPECT_RATIO_FIELD_NUMBER: _ClassVar[int]
    MEAN_VALUES_FIELD_NUMBER: _ClassVar[int]
    STD_FIELD_NUMBER: _ClassVar[int]
    COLOR_JITTER_FIELD_NUMBER: _ClassVar[int]
    LIGHTING_FIELD_NUMBER: _ClassVar[int]
    MIXING_FIELD_NUMBER: _ClassVar[int]
    preset: str
    crop_size: int
    crop_mode: CropMode
    mirror: bool
    mean: MeanMode
    scale: float
    dtype: WireDtype
    layout: Layout
    channel_order: ChannelOrder
    area: Range
    aspect_ratio: Range
    mean_values: _containers.RepeatedScalarFieldContainer[float]
    std: _containers.RepeatedScalarFieldContainer[float]
    color_jitter: ColorJitter
    lighting: float
    mixing: Mixing
    def __init__(self, preset: _Optional[str] = ..., crop_size: _Optional[int] = ..., crop_mode: _Optional[_Union[CropMode, str]] = ..., mirror: bool = ..., mean: _Optional[_Union[MeanMode, str]] = ..., scale: _Optional[float] = ..., dtype: _Optional[_Union[WireDtype, str]] = ..., layout: _Optional[_Union[Layout, str]] = ..., channel_order: _Optional[_Union[ChannelOrder, str]] = ..., area: _Optional[_Union[Range, _Mapping]] = ..., aspect_ratio: _Optional[_Union[Range, _Mapping]] = ..., mean_values: _Optional[_Iterable[float]] = ..., std: _Optional[_Iterable[float]] = ..., color_jitter: _Optional[_Union[ColorJitter, _Mapping]] = ..., lighting: _Optional[float] = ..., mixing: _Optional[_Union[Mixing, _Mapping]] = ...) -> None: ...

class Range(_message.Message):
    __slots__ = ("min", "max")
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    min: float
    max: float
    def __init__(self, min: _Optional[float] = ..., max: _Optional[float] = ...) -> None: ...

class ColorJitter(_message.Message):
    __slots__ = ("brightness", "contrast", "saturation", "hue")
    BRIGHTNESS_FIELD_NUMBER: _ClassVar[int]
    CONTRAST_FIELD_NUMBER: _ClassVar[int]
    SATURATION_FIELD_NUMBER: _ClassVar[int]
    HUE_FIELD_NUMBER: _ClassVar[int]
    brightness: float
    contrast: float
    saturation: float
    hue: float
    def __init__(self, brightness: _Optional[float] = ..., contrast: _Optional[float] = ..., saturation: _Optional[float] = ..., hue: _Optional[float] = ...) -> None: ...

class Mixing(_message.Message):
    __slots__ = ("mixup_alpha", "cutmix_alpha")
    MIXUP_ALPHA_FIELD_NUMBER: _ClassVar[int]
    CUTMIX_ALPHA_FIELD_NUMBER: _ClassVar[int]
    mixup_alpha: float
    cutmix_alpha: float
    def __init__(self, mixup_alpha: _Optional[float] = ..., cutmix_alpha: _Optional[float] = ...) -> None: ...

class BatchFrame(_message.Message):
    __slots__ = ("epoch", "step", "first_sample", "batch_size", "is_last_step", "sample_shape", "ids", "labels", "crop_y", "crop_x", "crop_height", "crop_width", "flags", "epoch_digest", "mix", "pixels")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    FIRST_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    IS_LAST_STEP_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_SHAPE_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    CROP_Y_FIELD_NUMBER: _ClassVar[int]
    CROP_X_FIELD_NUMBER: _ClassVar[int]
    CROP_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    CROP_WIDTH_FIELD_NUMBER: _ClassVar[int]
    FLAGS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_DIGEST_FIELD_NUMBER: _ClassVar[int]
    MIX_FIELD_NUMBER: _ClassVar[int]
    PIXELS_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    step: int
    first_sample: int
    batch_size: int
    is_last_step: bool
    sample_shape: _containers.RepeatedScalarFieldContainer[int]
    ids: _containers.RepeatedScalarFieldContainer[int]
    labels: _containers.RepeatedScalarFieldContainer[int]
    crop_y: _containers.RepeatedScalarFieldContainer[int]
    crop_x: _containers.RepeatedScalarFieldContainer[int]
    crop_height: _containers.RepeatedScalarFieldContainer[int]
    crop_width: _containers.RepeatedScalarFieldContainer[int]
    flags: bytes
    epoch_digest: str
    mix: _containers.RepeatedCompositeFieldContainer[MixPlan]
    pixels: bytes
    def __init__(self, epoch: _Optional[int] = ..., step: _Optional[int] = ..., first_sample: _Optional[int] = ..., batch_size: _Optional[int] = ..., is_last_step: bool = ..., sample_shape: _Optional[_Iterable[int]] = ..., ids: _Optional[_Iterable[int]] = ..., labels: _Optional[_Iterable[int]] = ..., crop_y: _Optional[_Iterable[int]] = ..., crop_x: _Optional[_Iterable[int]] = ..., crop_height: _Optional[_Iterable[int]] = ..., crop_width: _Optional[_Iterable[int]] = ..., flags: _Optional[bytes] = ..., epoch_digest: _Optional[str] = ..., mix: _Optional[_Iterable[_Union[MixPlan, _Mapping]]] = ..., pixels: _Optional[bytes] = ...) -> None: ...

class StreamSharedBatchesRequest(_message.Message):
    __slots__ = ("open", "num_taken")
    OPEN_FIELD_NUMBER: _ClassVar[int]
    NUM_TAKEN_FIELD_NUMBER: _ClassVar[int]
    open: StreamBatchesRequest
    num_taken: int
    def __init__(self, open: _Optional[_Union[StreamBatchesRequest, _Mapping]] = ..., num_taken: _Optional[int] = ...) -> None: ...

class SharedFrame(_message.Message):
    __slots__ = ("memory", "header", "header_at", "pixels_at", "num_pixel_bytes")
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    HEADER_AT_FIELD_NUMBER: _ClassVar[int]
    PIXELS_AT_FIELD_NUMBER: _ClassVar[int]
    NUM_PIXEL_BYTES_FIELD_NUMBER: _ClassVar[int]
    memory: SharedMemory
    header: bytes
    header_at: int
    pixels_at: int
    num_pixel_bytes: int
    def __init__(self, memory: _Optional[_Union[SharedMemory, _Mapping]] = ..., header: _Optional[bytes] = ..., header_at: _Optional[int] = ..., pixels_at: _Optional[int] = ..., num_pixel_bytes: _Optional[int] = ...) -> None: ...

class SharedMemory(_message.Message):
    __slots__ = ("path", "num_bytes", "nonce")
    PATH_FIELD_NUMBER: _ClassVar[int]
    NUM_BYTES_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    path: str
    num_bytes: int
    nonce: bytes
    def __init__(self, path: _Optional[str] = ..., num_bytes: _Optional[int] = ..., nonce: _Optional[bytes] = ...) -> None: ...

class MixPlan(_message.Message):
    __slots__ = ("own_share", "top", "left", "bottom", "right")
    OWN_SHARE_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    BOTTOM_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    own_share: float
    top: int
    left: int
    bottom: int
    right: int
    def __init__(self, own_share: _Optional[float] = ..., top: _Optional[int] = ..., left: _Optional[int] = ..., bottom: _Optional[int] = ..., right: _Optional[int] = ...) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = ("residency",)
    RESIDENCY_FIELD_NUMBER: _ClassVar[int]
    residency: bool
    def __init__(self, residency: bool = ...) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("server_version", "uptime_seconds", "is_draining", "streams", "batches_sent", "bytes_sent", "images_per_second", "bytes_per_second", "memory_used_bytes", "memory_limit_bytes", "splits", "warm_bytes_done", "warm_bytes_total", "num_processes")
    SERVER_VERSION_FIELD_NUMBER: _ClassVar[int]
    UPTIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    IS_DRAINING_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    BATCHES_SENT_FIELD_NUMBER: _ClassVar[int]
    BYTES_SENT_FIELD_NUMBER: _ClassVar[int]
    IMAGES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    MEMORY_USED_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_LIMIT_BYTES_FIELD_NUMBER: _ClassVar[int]
    SPLITS_FIELD_NUMBER: _ClassVar[int]
    WARM_BYTES_DONE_FIELD_NUMBER: _ClassVar[int]
    WARM_BYTES_TOTAL_FIELD_NUMBER: _ClassVar[int]
    NUM_PROCESSES_FIELD_NUMBER: _ClassVar[int]
    server_version: str
    uptime_seconds: float
    is_draining: bool
    streams: _containers.RepeatedCompositeFieldContainer[StreamStatus]
    batches_sent: int
    bytes_sent: int
    images_per_second: float
    bytes_per_second: float
    memory_used_bytes: int
    memory_limit_bytes: int
    splits: _containers.RepeatedCompositeFieldContainer[SplitStatus]
    warm_bytes_done: int
    warm_bytes_total: int
    num_processes: int
    def __init__(self, server_version: _Optional[str] = ..., uptime_seconds: _Optional[float] = ..., is_draining: bool = ..., streams: _Optional[_Iterable[_Union[StreamStatus, _Mapping]]] = ..., batches_sent: _Optional[int] = ..., bytes_sent: _Optional[int] = ..., images_per_second: _Optional[float] = ..., bytes_per_second: _Optional[float] = ..., memory_used_bytes: _Optional[int] = ..., memory_limit_bytes: _Optional[int] = ..., splits: _Optional[_Iterable[_Union[SplitStatus, _Mapping]]] = ..., warm_bytes_done: _Optional[int] = ..., warm_bytes_total: _Optional[int] = ..., num_processes: _Optional[int] = ...) -> None: ...

class SplitStatus(_message.Message):
    __slots__ = ("dataset", "split", "version", "bytes", "resident_bytes")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    split: str
    version: str
    bytes: int
    resident_bytes: int
    def __init__(self, dataset: _Optional[str] = ..., split: _Optional[str] = ..., version: _Optional[str] = ..., bytes: _Optional[int] = ..., resident_bytes: _Optional[int] = ...) -> None: ...

class StreamStatus(_message.Message):
    __slots__ = ("peer", "dataset", "split", "rank", "world_size", "epoch", "step", "batches_sent", "wire_wait_ratio", "disk_wait_ratio", "assembly_wait_ratio", "trainer_wait_ratio", "images_per_second", "bytes_per_second", "lag_steps", "token", "images_sent", "bytes_sent", "open_seconds", "process_id")
    PEER_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    WORLD_SIZE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    BATCHES_SENT_FIELD_NUMBER: _ClassVar[int]
    WIRE_WAIT_RATIO_FIELD_NUMBER: _ClassVar[int]
    DISK_WAIT_RATIO_FIELD_NUMBER: _ClassVar[int]
    ASSEMBLY_WAIT_RATIO_FIELD_NUMBER: _ClassVar[int]
    TRAINER_WAIT_RATIO_FIELD_NUMBER: _ClassVar[int]
    IMAGES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    LAG_STEPS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    IMAGES_SENT_FIELD_NUMBER: _ClassVar[int]
    BYTES_SENT_FIELD_NUMBER: _ClassVar[int]
    OPEN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PROCESS_ID_FIELD_NUMBER: _ClassVar[int]
    peer: str
    dataset: str
    split: str
    rank: int
    world_size: int
    epoch: int
    step: int
    batches_sent: int
    wire_wait_ratio: float
    disk_wait_ratio: float
    assembly_wait_ratio: float
    trainer_wait_ratio: float
    images_per_second: float
    bytes_per_second: float
    lag_steps: int
    token: str
    images_sent: int
    bytes_sent: int
    open_seconds: float
    process_id: int
    def __init__(self, peer: _Optional[str] = ..., dataset: _Optional[str] = ..., split: _Optional[str] = ..., rank: _Optional[int] = ..., world_size: _Optional[int] = ..., epoch: _Optional[int] = ..., step: _Optional[int] = ..., batches_sent: _Optional[int] = ..., wire_wait_ratio: _Optional[float] = ..., disk_wait_ratio: _Optional[float] = ..., assembly_wait_ratio: _Optional[float] = ..., trainer_wait_ratio: _Optional[float] = ..., images_per_second: _Optional[float] = ..., bytes_per_second: _Optional[float] = ..., lag_steps: _Optional[int] = ..., token: _Optional[str] = ..., images_sent: _Optional[int] = ..., bytes_sent: _Optional[int] = ..., open_seconds: _Optional[float] = ..., process_id: _Optional[int] = ...) -> None: ...
