"""The trainer's models in PyTorch, written from their definitions: Caffe's train_val.prototxt files, torchvision's ResNet (v1.5).

Layers have the names that they have there. A net takes [N, 3, H, W] and gives the logits of its heads, the main one first.
"""

import torch
from torch import nn
from torch.nn import functional

#: A head's share of the loss, and its logits.
Heads = list[tuple[float, torch.Tensor]]


#: What dropout multiplies a layer with, by the layer's name; nothing is dropped where there is none.
Masks = dict[str, torch.Tensor]


class CaffeNet(nn.Module):
    """bvlc_reference_caffenet; with `norm_first` bvlc_alexnet."""

    def __init__(self, num_classes: int, norm_first: bool = False) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.conv1 = nn.Conv2d(3, 96, 11, stride=4)
        self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=2)
        self.fc6 = nn.LazyLinear(4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, num_classes)

    def pooled_and_normed(self, x: torch.Tensor) -> torch.Tensor:
        return pool(norm(x)) if self.norm_first else norm(pool(x))

    def forward(self, x: torch.Tensor, masks: Masks) -> Heads:
        x = self.pooled_and_normed(self.conv1(x).relu())
        x = self.pooled_and_normed(self.conv2(x).relu())
        x = self.conv4(self.conv3(x).relu()).relu()
        x = pool(self.conv5(x).relu()).flatten(1)
        x = self.fc6(x).relu() * masks.get("fc6", 1)
        x = self.fc7(x).relu() * masks.get("fc7", 1)
        return [(1, self.fc8(x))]


#: Of each inception: 1x1; 3x3 and its reduction; 5x5 and its reduction; pool projection.
INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


class GoogLeNet(nn.Module):
    """bvlc_googlenet: no batch normalisation, two heads on the side."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()

        def conv(name: str, *shape: int, **options: int) -> int:
            self.add_module(name, nn.Conv2d(*shape, **options))
            return shape[1]

        conv("conv1/7x7_s2", 3, 64, 7, stride=2, padding=3)
        conv("conv2/3x3_reduce", 64, 64, 1)
        width = conv("conv2/3x3", 64, 192, 3, padding=1)
        for block, (one, reduce3, three, reduce5, five, projected) in INCEPTIONS.items():
            name = f"inception_{block}"
            conv(f"{name}/1x1", width, one, 1)
            conv(f"{name}/3x3_reduce", width, reduce3, 1)
            conv(f"{name}/3x3", reduce3, three, 3, padding=1)
            conv(f"{name}/5x5_reduce", width, reduce5, 1)
            conv(f"{name}/5x5", reduce5, five, 5, padding=2)
            conv(f"{name}/pool_proj", width, projected, 1)
            width = one + three + five + projected
            if block in ("4a", "4d"):
                head = "loss1" if block == "4a" else "loss2"
                conv(f"{head}/conv", width, 128, 1)
                self.add_module(f"{head}/fc", nn.LazyLinear(1024))
                self.add_module(f"{head}/classifier", nn.Linear(1024, num_classes))
        self.add_module("loss3/classifier", nn.Linear(width, num_classes))

    def layer(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return self.get_submodule(name)(x)

    def inception(self, block: str, x: torch.Tensor) -> torch.Tensor:
        def conv(name: str, x: torch.Tensor) -> torch.Tensor:
            return self.layer(f"inception_{block}/{name}", x).relu()

        branches = [
            conv("1x1", x),
            conv("3x3", conv("3x3_reduce", x)),
            conv("5x5", conv("5x5_reduce", x)),
            conv("pool_proj", functional.max_pool2d(x, 3, 1, 1, ceil_mode=True)),
        ]
        return torch.cat(branches, 1)

    def head(self, name: str, x: torch.Tensor, masks: Masks) -> torch.Tensor:
        x = functional.avg_pool2d(x, 5, 3, ceil_mode=True)
        x = self.layer(f"{name}/conv", x).relu().flatten(1)
        x = self.layer(f"{name}/fc", x).relu() * masks.get(f"{name}/drop_fc", 1)
        return self.layer(f"{name}/classifier", x)

    def forward(self, x: torch.Tensor, masks: Masks) -> Heads:
        heads: Heads = []
        x = norm(pool(self.layer("conv1/7x7_s2", x).relu()))
        x = self.layer("conv2/3x3", self.layer("conv2/3x3_reduce", x).relu()).relu()
        x = pool(norm(x))
        for block in INCEPTIONS:
            x = self.inception(block, x)
            if block == "4a":
                heads.append((0.3, self.head("loss1", x, masks)))
            elif block == "4d":
                heads.append((0.3, self.head("loss2", x, masks)))
            elif block in ("3b", "4e"):
                x = pool(x)
        x = x.mean((2, 3)) * masks.get("pool5/drop_7x7_s1", 1)
        return [(1, self.layer("loss3/classifier", x)), *heads]


class Block(nn.Module):
    """Two 3x3 convolutions; as a bottleneck 1x1, 3x3 (which has the stride: "v1.5") and 1x1."""

    def __init__(self, num_inputs: int, width: int, stride: int, is_bottleneck: bool) -> None:
        super().__init__()
        num_outputs = 4 * width if is_bottleneck else width
        shapes = [(1, 1), (3, stride), (1, 1)] if is_bottleneck else [(3, stride), (3, 1)]
        widths = [num_inputs, *[width] * (len(shapes) - 1), num_outputs]
        self.num_convolutions = len(shapes)
        for i, (size, step) in enumerate(shapes):
            convolution = nn.Conv2d(widths[i], widths[i + 1], size, step, size // 2, bias=False)
            self.add_module(f"conv{i + 1}", convolution)
            self.add_module(f"bn{i + 1}", nn.BatchNorm2d(widths[i + 1]))
        self.downsample = None
        if stride > 1 or num_inputs != num_outputs:
            shortcut = nn.Conv2d(num_inputs, num_outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(num_outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x
        for i in range(1, self.num_convolutions + 1):
            y = self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(y))
            y = y.relu() if i < self.num_convolutions else y
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


class ResNet(nn.Module):
    def __init__(self, num_blocks: tuple[int, ...], is_bottleneck: bool, num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        num_inputs = 64
        for stage, count in enumerate(num_blocks):
            width = 64 << stage
            blocks = []
            for i in range(count):
                blocks.append(Block(num_inputs, width, 2 if stage > 0 and i == 0 else 1, is_bottleneck))
                num_inputs = 4 * width if is_bottleneck else width
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(num_inputs, num_classes)

    def forward(self, x: torch.Tensor, masks: Masks) -> Heads:
        x = functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return [(1, self.fc(x.mean((2, 3))))]


class SmallConvnet(nn.Module):
    """For images of an even side from 84 to 139: twice as large as its working size."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 5, stride=2)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.conv3 = nn.Conv2d(32, 64, 3, padding=1)
        self.fc = nn.Linear(64, num_classes)

    def forward(self, x: torch.Tensor, masks: Masks) -> Heads:
        x = functional.avg_pool2d(x, 2) / 64
        # TensorFlow's "same" for an even side in steps of two.
        x = self.conv1(functional.pad(x, (1, 2, 1, 2)))
        for conv in (nn.Identity(), self.conv2, self.conv3):
            x = functional.max_pool2d(conv(x).relu(), 2)
        return [(1, self.fc(x.mean((2, 3))))]


def pool(x: torch.Tensor) -> torch.Tensor:
    return functional.max_pool2d(x, 3, 2, ceil_mode=True)


def norm(x: torch.Tensor) -> torch.Tensor:
    return functional.local_response_norm(x, 5, 1e-4, 0.75, 1)
