"""Trains a model of torchvision on ImageNet from Millrace servers: on one GPU, or with DDP on as many as torchrun starts.

    millrace prepare ilsvrc2012
    millrace serve &
    torchrun --nproc-per-node=8 examples/train_imagenet.py --model resnet50 --server feeder-1:50051 --server feeder-2:50051

It keeps <out>/<model>.pt, and goes on from there when it was stopped: in the middle of an epoch, and on any number of GPUs that
divides --global-batch.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

import millrace
from millrace import presets
from millrace.torch import BatchStream

CROPS = {"alexnet": 227, "inception_v3": 299}
LEARNING_RATES = {"alexnet": 0.01}


def build(name: str, num_classes: int) -> nn.Module:
    """A model of torchvision by its name."""
    try:
        from torchvision import models
    except (ImportError, RuntimeError) as error:
        raise SystemExit(
            f"torchvision cannot be had ({error}); install the one that belongs to torch {torch.__version__}"
        ) from error
    model: nn.Module = models.get_model(name, weights=None, num_classes=num_classes)
    return model


def loss_of(output: Any, labels: Tensor) -> Tensor:
    """Cross entropy; Inception's second classifier counts 0.4, as in its paper."""
    if isinstance(output, Tensor):
        return functional.cross_entropy(output, labels, label_smoothing=0.1)
    logits, auxiliary = output
    return loss_of(logits, labels) + 0.4 * loss_of(auxiliary, labels)


def accuracy(model: nn.Module, stream: BatchStream, device: torch.device) -> float:
    """Share of the split that the model names right, over all ranks; what fills up the last batch does not count."""
    model.eval()
    counts = torch.zeros(2, device=device)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        for images, labels, is_valid, *_ in stream:
            counts[0] += (model(images).argmax(1) == labels)[is_valid].sum()
            counts[1] += is_valid.sum()
    dist.all_reduce(counts)
    return (counts[0] / counts[1]).item()


def parse_options() -> argparse.Namespace:
    """The flags."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--server", action="append", help="host:port, again for each further one (default: 127.0.0.1:50051)"
    )
    parser.add_argument("--dataset", default="ilsvrc2012")
    parser.add_argument(
        "--model", default="resnet50", help="any classifier of torchvision: resnet50, alexnet, inception_v3, …"
    )
    parser.add_argument("--epochs", type=int, default=90)
    parser.add_argument("--global-batch", type=int, default=256, help="images of one step over all GPUs")
    parser.add_argument("--learning-rate", type=float, help="for a global batch of 256 (default: 0.1, AlexNet 0.01)")
    parser.add_argument("--crop", type=int, help="default: the model's own, else 224")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--save-every", type=int, default=1000, help="steps")
    parser.add_argument("--log-every", type=int, default=100, help="steps")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    return parser.parse_args()


def join_world() -> torch.device:
    """Joins the processes that torchrun started, if it did; the device of this one."""
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    if "RANK" in os.environ:
        dist.init_process_group(backend)
    else:
        dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
    if not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    torch.backends.cudnn.benchmark = True
    return device


def open_streams(
    client: millrace.Client, options: argparse.Namespace, device: torch.device
) -> tuple[BatchStream, BatchStream]:
    """The batches to train on, and to test on."""
    if options.global_batch % dist.get_world_size():
        raise SystemExit(
            f"--global-batch: expected a multiple of the {dist.get_world_size()} processes, got {options.global_batch}"
        )
    batch_size = options.global_batch // dist.get_world_size()
    crop = options.crop or CROPS.get(options.model, 224)
    train = BatchStream(
        client,
        options.dataset,
        "train",
        batch_size,
        seed=1,
        epochs=options.epochs,
        transform=replace(presets.RESNET, crop_size=crop),
        connections=options.connections,
        device=device,
    )
    val = BatchStream(
        client,
        options.dataset,
        "val",
        batch_size,
        shuffle="none",
        end_of_epoch="pad",
        transform=replace(presets.EVAL, crop_size=crop),
        device=device,
    )
    return train, val


class Run:
    """Everything that a checkpoint keeps, and where it is kept."""

    def __init__(self, options: argparse.Namespace, train: BatchStream, device: torch.device) -> None:
        torch.manual_seed(0)
        self.model = build(options.model, len(train.info.classes)).to(device, memory_format=torch.channels_last)
        rate = (options.learning_rate or LEARNING_RATES.get(options.model, 0.1)) * options.global_batch / 256
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=rate, momentum=0.9, weight_decay=1e-4, nesterov=True
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, max_lr=rate, total_steps=options.epochs * len(train), pct_start=5 / 90
        )
        self._parts = {"model": self.model, "optimizer": self.optimizer, "schedule": self.schedule, "stream": train}
        self._file: Path = options.out / f"{options.model}.pt"

    def save(self) -> None:
        """Replaces the checkpoint; the first rank does it for all."""
        if dist.get_rank() != 0:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._file.with_suffix(".new")
        torch.save({name: part.state_dict() for name, part in self._parts.items()}, unfinished)
        unfinished.replace(self._file)

    def resume(self, device: torch.device) -> int:
        """Takes up the checkpoint, if there is one; the epoch to go on in."""
        if not self._file.exists():
            return 0
        saved = torch.load(self._file, map_location=device, weights_only=True)
        begun, wanted = saved["schedule"]["total_steps"], self.schedule.total_steps
        if begun != wanted:
            raise SystemExit(
                f"{self._file} is of a run of {begun} steps, this one has {wanted}: give the same --epochs and --global-batch, "
                "or another --out"
            )
        for name, part in self._parts.items():
            part.load_state_dict(saved[name])
        epoch: int = saved["stream"]["epoch"]
        if dist.get_rank() == 0:
            print(f"goes on at epoch {epoch + 1}, step {saved['stream']['step'] + 1}", flush=True)
        return epoch


def train_epoch(
    run: Run, ddp: nn.Module, train: BatchStream, options: argparse.Namespace, device: torch.device
) -> None:
    """One epoch, or what is left of it; now and then says how it goes, and how long it waited for batches."""
    ddp.train()
    began = asked = time.perf_counter()
    num_images, waited = 0, 0.0
    for batch in train:
        waited += time.perf_counter() - asked
        with torch.autocast(device.type, torch.bfloat16):
            loss = loss_of(ddp(batch.images), batch.labels)
        run.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        run.optimizer.step()
        run.schedule.step()
        num_images += options.global_batch
        if (batch.step + 1) % options.save_every == 0:
            run.save()
        if dist.get_rank() == 0 and (batch.step + 1) % options.log_every == 0:
            seconds = time.perf_counter() - began
            print(
                f"epoch {batch.epoch + 1}, step {batch.step + 1} of {len(train)}: loss {loss.item():.3f}, "
                f"{num_images / seconds:.0f} images/s, {100 * waited / seconds:.1f} % of the time in waiting for batches",
                flush=True,
            )
        asked = time.perf_counter()
    run.save()


def main() -> None:
    """Trains, saves now and then, tests after each epoch."""
    options = parse_options()
    device = join_world()
    with millrace.connect(options.server or ["127.0.0.1:50051"]) as client:
        train, val = open_streams(client, options, device)
        run = Run(options, train, device)
        first_epoch = run.resume(device)
        ddp = DistributedDataParallel(run.model)
        for epoch in range(first_epoch, options.epochs):
            train_epoch(run, ddp, train, options, device)
            result = accuracy(run.model, val, device)
            if dist.get_rank() == 0:
                print(f"epoch {epoch + 1} of {options.epochs}: val accuracy {result:.4f}", flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
