import json
import runpy
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import NUM_SAMPLES
from program import run_program
from torch.utils.data import DataLoader
from torchdata.stateful_dataloader import StatefulDataLoader

import millrace
from millrace.torch import BatchStream
from millrace.torch.device_mean import DeviceMean
from millrace.torch.staging import _PlainStaging

AUGMENTED = millrace.Transform(crop_size=24, mirror=True, channel_order="RGB", scale=0.5)
NUM_STEPS = NUM_SAMPLES // 32


def stream_of(client, **options):
    return BatchStream(client, "noise", "train", 32, **{"device": "cpu", "transform": AUGMENTED, "seed": 4, **options})


def ids_of(loop):
    return [(batch.epoch, batch.step, batch.ids.tolist()) for batch in loop]


@pytest.fixture
def expected(client):
    """Two epochs, as (epoch, step, ids)."""
    return [
        (b.epoch, b.step, b.ids.tolist())
        for b in client.stream("noise", "train", 32, seed=4, epochs=2, transform=AUGMENTED)
    ]


def test_tensors_are_the_batches_that_numpy_gets(client):
    numpy = client.stream("noise", "train", 32, seed=4, epochs=1, transform=AUGMENTED)
    for tensors, batch in zip(stream_of(client, epochs=1), numpy, strict=True):
        assert tensors.images.dtype == torch.float32
        assert tensors.images.shape == (32, 3, 24, 24)
        assert tensors.images.is_contiguous(memory_format=torch.channels_last)
        np.testing.assert_array_equal(tensors.images.permute(0, 2, 3, 1).numpy(), batch.normalized())
        np.testing.assert_array_equal(tensors.labels.numpy(), batch.labels)
        assert tensors.is_valid.all()


@pytest.mark.parametrize("mean", ["image", "channel", "none"])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_a_device_subtracts_to_the_same_bits(client, mean, layout):
    transform = millrace.Transform(
        24, mirror=True, mean=mean, scale=0.017, std=(2, 3, 5), layout=layout, channel_order="RGB"
    )
    stream = client.stream("noise", "train", 32, epochs=1, transform=transform)
    device_mean = DeviceMean(stream.subtractor, torch.device("cpu"))
    for batch in stream:
        arrays = (batch.images, batch.crop_y, batch.crop_x, batch.is_mirrored)
        assert device_mean.subtract(*map(torch.from_numpy, arrays)).numpy().tobytes() == batch.normalized().tobytes()


def test_other_devices_get_the_same_tensors(client):
    stream = client.stream("noise", "train", 32, seed=4, epochs=1, transform=AUGMENTED)
    staging = _PlainStaging(torch.device("cpu"), torch.bfloat16, stream.subtractor, is_soft=False)
    for batch, expected in zip(stream, stream_of(client, epochs=1, dtype=torch.bfloat16), strict=True):
        tensors = staging.finish(staging.begin(batch))
        assert torch.equal(tensors.images, expected.images)
        assert tensors.images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("wire", ["uint8", "float16", "bfloat16"])
def test_pictures_are_mixed_on_a_device_as_numpy_mixes_them(client, wire, layout):
    transform = replace(AUGMENTED, mixing=millrace.Mixing(0.5, 1.0), dtype=wire, layout=layout)
    options = {"transform": transform, "labels": millrace.LabelOptions(smoothing=0.1), "epochs": 1}
    stream = client.stream("noise", "train", 32, seed=4, **options)
    staging = _PlainStaging(torch.device("cpu"), torch.float32, stream.subtractor, is_soft=True)
    for batch, tensors in zip(stream, stream_of(client, **options), strict=True):
        device = staging.finish(staging.begin(batch))
        images = torch.from_numpy(batch.normalized())
        assert torch.equal(tensors.images, images if layout == "NCHW" else images.permute(0, 3, 1, 2))
        # A device's float32 rounds three times where NumPy rounds once.
        torch.testing.assert_close(device.images, tensors.images, rtol=1e-6, atol=2e-5)
        for got in (device.targets, tensors.targets):
            np.testing.assert_array_equal(got.numpy(), batch.targets())
        assert tensors.targets.sum(1).numpy() == pytest.approx(1)


def test_rows_of_probabilities_come_when_asked_for(client):
    hard = next(iter(stream_of(client, transform=replace(AUGMENTED, crop_mode="ten"))))
    assert hard.targets is None
    assert hard.images.shape == (320, 3, 24, 24)
    soft = next(iter(stream_of(client, labels=millrace.LabelOptions("one-hot"))))
    assert torch.equal(soft.targets.argmax(1), soft.labels)
    assert soft.targets.shape == (32, 5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_floats_on_the_wire_reach_a_device_as_they_are(client, dtype):
    transform = replace(AUGMENTED, dtype=str(dtype).removeprefix("torch."))
    stream = client.stream("noise", "train", 32, seed=4, epochs=1, transform=transform)
    staging = _PlainStaging(torch.device("cpu"), dtype, stream.subtractor, is_soft=False)
    for batch, full in zip(stream, stream_of(client, epochs=1), strict=True):
        images = staging.finish(staging.begin(batch)).images
        assert images.dtype == dtype
        assert torch.equal(images, full.images.to(dtype))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gets_the_same_tensors(client):
    on_gpu = stream_of(client, epochs=3, device="cuda")
    for gpu, cpu in zip(
        (b for _ in range(3) for b in on_gpu),
        (b for s in [stream_of(client, epochs=3)] for _ in range(3) for b in s),
        strict=True,
    ):
        assert gpu.images.is_cuda
        assert torch.equal(gpu.images.cpu(), cpu.images)
        assert torch.equal(gpu.labels.cpu(), cpu.labels)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_it_gives_the_dtype_asked_for(client, dtype):
    for half, full in zip(stream_of(client, epochs=1, dtype=dtype), stream_of(client, epochs=1), strict=True):
        assert torch.equal(half.images, full.images.to(dtype))


def test_it_gives_pixels_as_they_are(client):
    raw = millrace.Transform(mean="none", layout="NCHW")
    images = next(iter(stream_of(client, transform=raw, dtype=torch.uint8))).images
    assert images.dtype == torch.uint8
    assert images.is_contiguous()
    with pytest.raises(millrace.UsageError, match=r"dtype: torch.uint8 are pixels as they are"):
        stream_of(client, dtype=torch.uint8)
    with pytest.raises(millrace.UsageError, match="no std and no mixing"):
        stream_of(client, transform=replace(raw, mixing=millrace.Mixing(1)), dtype=torch.uint8)
    with pytest.raises(millrace.UsageError, match=r"dtype: expected one of torch.float32"):
        stream_of(client, dtype=torch.int64)


@pytest.mark.parametrize(
    "wrap", [lambda s: s, lambda s: DataLoader(s, batch_size=None, num_workers=0)], ids=["alone", "DataLoader"]
)
def test_each_loop_is_an_epoch(client, expected, wrap):
    loader = wrap(stream_of(client, epochs=2))
    assert len(loader) == NUM_STEPS
    assert ids_of(loader) + ids_of(loader) == expected
    assert ids_of(loader) == []


def test_a_loop_left_early_is_not_gone_on_with(client, expected):
    stream = stream_of(client)
    for batch in stream:
        if batch.step == 2:
            break
    assert ids_of(stream) == expected[NUM_STEPS:]
    # Left after its last batch: nothing is skipped.
    epoch_2 = [batch for _, batch in zip(range(NUM_STEPS), stream, strict=False)]
    assert epoch_2[-1].step == NUM_STEPS - 1
    assert next(iter(stream)).epoch == 3
    stream.close()


def test_a_worker_process_is_refused(server):
    code = """
        import sys, torch.utils.data, millrace
        from millrace.torch import BatchStream
        stream = BatchStream(millrace.connect(sys.argv[1]), "noise", "train", 32, device="cpu")
        next(iter(torch.utils.data.DataLoader(stream, batch_size=None, num_workers=1)))
    """
    run = run_program(code, server.address)
    assert run.returncode == 1
    assert "use DataLoader(stream, batch_size=None, num_workers=0), or no DataLoader" in run.stderr


@pytest.mark.parametrize("num_taken", [1, 4, NUM_STEPS, NUM_STEPS + 2])
def test_a_stateful_data_loader_goes_on_where_it_was(client, expected, num_taken):
    def loader():
        return StatefulDataLoader(stream_of(client, epochs=2), batch_size=None, num_workers=0)

    first, got = loader(), []
    while len(got) < num_taken:
        for batch in first:
            got += ids_of([batch])
            if len(got) == num_taken:
                break
    again = loader()
    again.load_state_dict(first.state_dict())
    for _ in range(2):
        got += ids_of(again)
    assert got == expected


def test_its_state_is_that_of_the_loop(client, expected):
    stream = stream_of(client)
    for batch in stream:
        if batch.step == 3:
            break
    state = stream.state_dict()
    assert (state["epoch"], state["step"]) == (0, 4)
    stream.close()
    again = stream_of(client, epochs=2)
    again.load_state_dict(state)
    assert ids_of(again) == expected[4:NUM_STEPS]
    assert ids_of(again) == expected[NUM_STEPS:]


TRAINING = textwrap.dedent("""
    import json, sys
    import torch, torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel
    import millrace
    from millrace.torch import BatchStream

    def train(address, batch_size, wrap):
        torch.manual_seed(0)
        model = torch.nn.Linear(3 * 24 * 24, 5)
        trained = wrap(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
        transform = millrace.Transform(crop_size=24, scale=1 / 128)
        ids = []
        with millrace.connect(address) as client:
            stream = BatchStream(client, "noise", "train", batch_size, seed=6, transform=transform, device="cpu")
            for _ in range(2):
                for batch in stream:
                    ids.append(batch.ids.tolist())
                    optimizer.zero_grad()
                    torch.nn.functional.cross_entropy(trained(batch.images.flatten(1)), batch.labels).backward()
                    optimizer.step()
        return {"ids": ids, "weight": model.weight.detach().double().sum().item()}

    if __name__ == "__main__":
        dist.init_process_group("gloo")
        result = train(sys.argv[1], 32 // dist.get_world_size(), DistributedDataParallel)
        with open(f"{sys.argv[2]}/{dist.get_rank()}.json", "w") as file:
            json.dump(result, file)
        dist.destroy_process_group()
""")


def test_ddp_processes_share_each_batch_and_train_as_one_would(server, tmp_path):
    script = tmp_path / "training.py"
    script.write_text(TRAINING)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    run = subprocess.run(
        [*command, str(script), server.address, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    whole = runpy.run_path(str(script))["train"](server.address, 32, lambda model: model)
    assert len(whole["ids"]) == 2 * NUM_STEPS
    assert [a + b for a, b in zip(first["ids"], second["ids"], strict=True)] == whole["ids"]
    assert first["weight"] == second["weight"] == pytest.approx(whole["weight"], rel=1e-4)
