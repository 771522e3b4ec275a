import gc
import threading

import numpy as np
import pytest
from conftest import AUGMENTED, NUM_CLASSES, NUM_SAMPLES, SIDE, assert_all_same, fixture_pixels
from program import run_program

import millrace
from millrace import frame, part
from millrace.order.batch_plan import Order
from millrace.order.draws import draw32, draw_below


def expected_pixels(sample_id, y, x, mirrored, transform):
    side = transform.crop_size or SIDE
    pixels = fixture_pixels(sample_id)[:, y : y + side, x : x + side]
    if mirrored:
        pixels = pixels[:, :, ::-1]
    if transform.channel_order == "RGB":
        pixels = pixels[::-1]
    return pixels.transpose(1, 2, 0) if transform.layout == "NHWC" else pixels


def test_it_says_what_a_split_is(client):
    assert sorted(client.datasets()) == [("noise", "train"), ("sample", "train"), ("sample", "val")]
    info = client.dataset("noise", "train")
    assert (info.num_samples, info.height, info.width, info.channels) == (NUM_SAMPLES, SIDE, SIDE, 3)
    assert [label.id for label in info.classes] == [f"class{i}" for i in range(NUM_CLASSES)]
    mean = np.mean([fixture_pixels(i) for i in range(NUM_SAMPLES)], axis=0)
    np.testing.assert_allclose(info.mean_image, mean, rtol=1e-5)
    np.testing.assert_allclose(info.channel_mean, mean.mean(axis=(1, 2)), rtol=1e-5)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("channel_order", ["BGR", "RGB"])
def test_batches_hold_what_the_law_says(client, layout, channel_order):
    transform = millrace.Transform(crop_size=24, mirror=True, layout=layout, channel_order=channel_order)
    order = Order(NUM_SAMPLES, 7, 32)
    with client.stream("noise", "train", 32, seed=7, epochs=2, transform=transform) as stream:
        batches = list(stream)
    assert [(b.epoch, b.step) for b in batches] == [(e, s) for e in range(2) for s in range(6)]
    for batch in batches:
        plan = order.plan(batch.epoch, batch.step)
        np.testing.assert_array_equal(batch.ids, plan.ids)
        np.testing.assert_array_equal(batch.labels, plan.ids % NUM_CLASSES)
        words = {lane: draw32(7, batch.epoch, batch.ids, lane) for lane in ("mirror", "cropY", "cropX")}
        np.testing.assert_array_equal(batch.is_mirrored, words["mirror"] >= 1 << 31)
        np.testing.assert_array_equal(batch.crop_y, draw_below(SIDE - 24 + 1, words["cropY"]))
        np.testing.assert_array_equal(batch.crop_x, draw_below(SIDE - 24 + 1, words["cropX"]))
        assert batch.is_valid.all()
        for i, row in enumerate(zip(batch.ids, batch.crop_y, batch.crop_x, batch.is_mirrored, strict=True)):
            np.testing.assert_array_equal(batch.images[i], expected_pixels(*row, transform))


@pytest.mark.parametrize("connections", [2, 4])
def test_several_connections_bring_the_same_batches(client, connections):
    def batches(connections):
        return list(client.stream("noise", "train", 20, epochs=2, transform=AUGMENTED, connections=connections))

    assert_all_same(batches(connections), batches(1))


def test_ranks_share_each_global_batch(client):
    whole = list(client.stream("noise", "train", 24, epochs=1))
    parts = [list(client.stream("noise", "train", 8, rank=rank, world_size=3, epochs=1)) for rank in range(3)]
    assert all(len(part) == len(whole) for part in parts)
    for batch, *shares in zip(whole, *parts, strict=True):
        np.testing.assert_array_equal(batch.ids, np.concatenate([share.ids for share in shares]))


def test_rank_and_world_come_from_the_environment(client, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    stream = client.stream("noise", "train", 8)
    assert (stream.options.rank, stream.options.world_size, stream.num_steps()) == (1, 3, NUM_SAMPLES // 24)
    assert client.stream("noise", "train", 8, rank=0, world_size=1).options.world_size == 1
    monkeypatch.setenv("RANK", "first")
    with pytest.raises(millrace.UsageError, match="RANK, WORLD_SIZE: expected whole numbers"):
        client.stream("noise", "train", 8)


@pytest.mark.parametrize(
    ("end_of_epoch", "num_steps", "num_valid"), [("drop", 6, 192), ("pad", 7, 203), ("wrap", 7, 224)]
)
@pytest.mark.parametrize("connections", [1, 2])
def test_an_epoch_ends_as_asked(client, end_of_epoch, num_steps, num_valid, connections):
    stream = client.stream("noise", "train", 32, end_of_epoch=end_of_epoch, epochs=1, connections=connections)
    batches = list(stream)
    assert len(batches) == num_steps == stream.num_steps(0)
    assert sum(batch.is_valid.sum() for batch in batches) == num_valid
    assert [batch.is_last_step for batch in batches] == [False] * (num_steps - 1) + [True]


def test_a_receiving_thread_runs_no_python_for_each_sample(client):
    # While it does, the trainer's own Python waits.
    def num_instructions(batch_size):
        """Of Python, for the first frame, which has a whole batch."""
        is_first, count = True, 0

        def trace(caller, event, _):
            nonlocal is_first, count
            if caller.f_code.co_filename not in (frame.__file__, part.__file__):
                return None
            caller.f_trace_opcodes = True
            is_first = is_first and caller.f_code.co_name != "valid_ids"
            count += is_first and event == "opcode"
            return trace

        threading.settrace(trace)
        with client.stream("noise", "train", batch_size, transform=AUGMENTED) as stream:
            next(stream)
        threading.settrace(None)
        return count

    few, many = num_instructions(3), num_instructions(203)
    # Numbers of more bytes cost something; the smallest loop takes four instructions a sample.
    assert 0 < many - few < 4 * 200


def test_last_epochs_without_a_step_are_the_end(client):
    batches = list(
        client.stream("noise", "train", 500, end_of_epoch="wrap", epochs=2, transform=millrace.Transform(crop_size=2))
    )
    assert [(batch.epoch, batch.step, batch.is_last_step) for batch in batches] == [(0, 0, True)]


def test_closing_ends_a_stream_and_its_threads(client):
    stream = client.stream("noise", "train", 8)
    kept = next(stream)
    stream.close()
    stream.close()
    with pytest.raises(millrace.MillraceError, match="this stream was closed") as caught:
        next(stream)
    assert caught.value.code == "ERR_CLOSED"
    assert kept.images.sum() > 0


def test_a_stream_that_is_let_go_of_stops_by_itself(client):
    for batch in client.stream("noise", "train", 8):
        if batch.step == 3:
            break
    gc.collect()


def test_importing_it_brings_neither_torch_nor_jax():
    code = "import sys, millrace; assert not {'torch', 'jax'} & set(sys.modules), sys.modules.keys()"
    run = run_program(code)
    assert run.returncode == 0, run.stderr
