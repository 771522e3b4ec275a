"""Trains a small ResNet on CIFAR-10 from a Millrace server, on a GPU or on the CPU.

Lay the archive of images (cifar10-images.tar.gz) into <root>/archives, then:

    millrace prepare cifar10
    millrace serve &
    python examples/train_cifar10.py                # a GPU: 30 epochs, more than 90 %
    python examples/train_cifar10.py --small        # two CPU cores: a few minutes, more than 65 %

It keeps <out>/cifar10.pt, and goes on from there when it was stopped.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

import millrace
from millrace.torch import BatchStream


def block(channels_in: int, channels_out: int, *, pool: bool = False) -> nn.Sequential:
    """A 3 × 3 convolution that keeps the size, or halves it."""
    layers = [
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    ]
    return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if pool else []))


class Residual(nn.Module):
    """Two convolutions beside a short cut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(block(channels, channels), block(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels, H, W] to the same."""
        return x + self.blocks(x)


def small_resnet(width: int) -> nn.Module:
    """Eight convolutions, two short cuts, a linear classifier of 10 classes."""
    return nn.Sequential(
        block(3, width),
        block(width, 2 * width, pool=True),
        Residual(2 * width),
        block(2 * width, 4 * width, pool=True),
        block(4 * width, 8 * width, pool=True),
        Residual(8 * width),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8 * width, 10),
    )


def accuracy(model: nn.Module, stream: BatchStream) -> float:
    """Share of the split that the model names right. The last batch is filled up, and what fills it does not count."""
    model.eval()
    right = total = 0
    with torch.inference_mode():
        for images, labels, is_valid, *_ in stream:
            right += int((model(images).argmax(1) == labels)[is_valid].sum())
            total += int(is_valid.sum())
    return right / total


def main() -> None:
    """Trains, tests after each epoch, and prints one line an epoch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--server", action="append", help="host:port, again for each further one (default: 127.0.0.1:50051)"
    )
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument("--small", action="store_true", help="a narrow net and few epochs, for two CPU cores")
    parser.add_argument("--epochs", type=int, help="default: 30, or 3 with --small")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--out", type=Path, default=Path("runs"))
    options = parser.parse_args()
    epochs = options.epochs or (3 if options.small else 30)
    print(
        "--small, for two CPU cores: 3 epochs of a net 8 wide, meant to reach 65 %; without it, for a GPU: 30 epochs of one 64 wide, "
        "meant to reach 90 %",
        flush=True,
    )

    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    client = millrace.connect(options.server or ["127.0.0.1:50051"])
    # Crops of 28 out of the 32 that are stored; tested is the middle.
    augmented = millrace.Transform(crop_size=28, mirror=True, mean="channel", scale=1 / 64, channel_order="RGB")
    plain = millrace.Transform(crop_size=28, crop_mode="center", mean="channel", scale=1 / 64, channel_order="RGB")
    train = BatchStream(
        client, options.dataset, "train", options.batch_size, seed=1, epochs=epochs, transform=augmented, device=device
    )
    test = BatchStream(
        client,
        options.dataset,
        "test",
        500,
        shuffle="none",
        end_of_epoch="pad",
        transform=plain,
        mean_of=(options.dataset, "train"),
        device=device,
    )

    model = small_resnet(8 if options.small else 64).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.2, total_steps=epochs * len(train), pct_start=0.25
    )

    options.out.mkdir(parents=True, exist_ok=True)
    checkpoint = options.out / "cifar10.pt"
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule, "stream": train}
    first_epoch = 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(saved[name])
        first_epoch = saved["stream"]["epoch"]
    for epoch in range(first_epoch, epochs):
        began, loss = time.perf_counter(), torch.zeros((), device=device)
        model.train()
        for images, labels, *_ in train:
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
                output = functional.cross_entropy(model(images), labels, label_smoothing=0.1)
            optimizer.zero_grad(set_to_none=True)
            output.backward()
            optimizer.step()
            schedule.step()
            loss += output.detach()
        seconds = time.perf_counter() - began
        torch.save({name: part.state_dict() for name, part in parts.items()}, checkpoint)
        print(
            f"epoch {epoch + 1} of {epochs}: loss {loss.item() / len(train):.3f}, test accuracy {accuracy(model, test):.4f}, "
            f"{len(train) * options.batch_size / seconds:.0f} images/s",
            flush=True,
        )
    client.close()


if __name__ == "__main__":
    main()
