import gc
import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import NUM_CLASSES, NUM_SAMPLES, SIDE, assert_same, fixture_pixels

import millrace
from millrace.order.batch_plan import Order
from millrace.order.draws import draw32, draw_below

AUGMENTED = millrace.Transform(crop_size=24, mirror=True)


def expected_pixels(sample_id, y, x, mirrored, transform):
    side = transform.crop_size or SIDE
    pixels = fixture_pixels(sample_id)[:, y : y + side, x : x + side]
    if mirrored:
        pixels = pixels[:, :, ::-1]
    if transform.channel_order == "RGB":
        pixels = pixels[::-1]
    return pixels.transpose(1, 2, 0) if transform.layout == "NHWC" else pixels


def test_it_says_what_a_split_is(client):
    assert sorted(client.datasets()) == [("noise", "train"), ("sample", "train")]
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


@pytest.mark.parametrize("mean", ["image", "channel", "none"])
@pytest.mark.parametrize(("layout", "channel_order"), [("NHWC", "BGR"), ("NCHW", "RGB")])
@pytest.mark.parametrize("scale", [1.0, 0.017])
def test_normalized_is_bit_for_bit_what_a_server_sends_as_float32(client, mean, layout, channel_order, scale):
    def batches(dtype):
        transform = millrace.Transform(
            24, mirror=True, mean=mean, scale=scale, dtype=dtype, layout=layout, channel_order=channel_order
        )
        return list(client.stream("noise", "train", 50, epochs=1, transform=transform))

    for here, there in zip(batches("uint8"), batches("float32"), strict=True):
        assert here.images.dtype == np.uint8
        assert there.images.dtype == np.float32
        assert here.normalized().tobytes() == there.images.tobytes()
        assert there.normalized() is not None
        out = np.empty(here.images.shape, dtype=np.float32)
        assert here.normalized(out) is out
        assert there.normalized(np.empty_like(out)).tobytes() == out.tobytes()


@pytest.mark.parametrize("connections", [2, 4])
def test_several_connections_bring_the_same_batches(client, connections):
    def batches(connections):
        return list(client.stream("noise", "train", 20, epochs=2, transform=AUGMENTED, connections=connections))

    for got, expected in zip(batches(connections), batches(1), strict=True):
        assert_same(got, expected)


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


def test_it_resumes_at_any_step_with_the_batches_that_would_have_come(client):
    everything = list(client.stream("noise", "train", 32, seed=3, epochs=2, transform=AUGMENTED))
    for i, batch in enumerate(everything):
        start = (batch.epoch, batch.step)
        rest = list(
            client.stream("noise", "train", 32, seed=3, epochs=2 - batch.epoch, start=start, transform=AUGMENTED)
        )
        assert len(rest) == len(everything) - i
        for got, expected in zip(rest, everything[i:], strict=True):
            assert_same(got, expected)


def test_a_state_goes_on_in_another_stream_and_in_another_world(client):
    def stream(world_size=1, rank=0, batch_size=24):
        return client.stream(
            "noise", "train", batch_size, rank=rank, world_size=world_size, seed=9, epochs=2, transform=AUGMENTED
        )

    first = stream()
    expected = list(stream())
    for _ in range(10):
        next(first)
    state = json.loads(json.dumps(first.state_dict()))
    assert (state["epoch"], state["step"]) == (1, 2)
    first.close()

    again = stream()
    next(again)
    again.load_state_dict(state)
    for got, batch in zip(again, expected[10:], strict=True):
        assert_same(got, batch)

    ranks = [stream(world_size=3, rank=rank, batch_size=8) for rank in range(3)]
    for rank in ranks:
        rank.load_state_dict(state)
    for *shares, batch in zip(*ranks, expected[10:], strict=True):
        np.testing.assert_array_equal(np.concatenate([share.images for share in shares]), batch.images)

    # 48 samples into the epoch: a global batch of 16 has a step there.
    smaller = stream(batch_size=16)
    smaller.load_state_dict(state)
    assert smaller.position == (1, 3)
    ids = np.concatenate([batch.ids for batch in smaller])
    np.testing.assert_array_equal(ids[:144], np.concatenate([batch.ids for batch in expected[10:]])[:144])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "seed: the run to go on with has 9, this stream 1"),
        ({"shuffle": "none"}, "shuffle: the run to go on with has 'full'"),
        ({"batch_size": 36}, "batch_size: the run stopped 48 samples into epoch 1"),
        ({"end_of_epoch": "pad"}, "end_of_epoch: the run to go on with has 'drop'"),
    ],
)
def test_a_state_of_another_run_is_refused(client, change, message):
    options = {"batch_size": 24, "seed": 9}
    state = {**client.stream("noise", "train", **options, start=(1, 2)).state_dict()}
    with pytest.raises(millrace.UsageError, match=message):
        client.stream("noise", "train", **{**options, **change}).load_state_dict(state)


def test_a_state_on_other_data_is_refused(client):
    stream = client.stream("noise", "train", 24)
    with pytest.raises(millrace.MillraceError, match="the run began on version f00") as caught:
        stream.load_state_dict({**stream.state_dict(), "version": "f00"})
    assert caught.value.code == "ERR_VERSION_CHANGED"


def test_a_batch_that_is_kept_is_never_written_again(client):
    with client.stream("noise", "train", 8, epochs=6, transform=AUGMENTED, prefetch_bytes=0) as stream:
        kept = [(batch, batch.images.copy(), batch.ids.copy()) for batch in itertools.islice(stream, 40)]
        view = next(stream).images[3, 2:5]
        before = view.copy()
        for batch in stream:
            if batch.is_last_step:
                gc.collect()
    np.testing.assert_array_equal(view, before)
    for batch, images, ids in kept:
        np.testing.assert_array_equal(batch.images, images)
        np.testing.assert_array_equal(batch.ids, ids)


def test_memory_is_used_again_once_nobody_looks_at_it(client):
    allocated = []

    def allocate(num_bytes):
        allocated.append(num_bytes)
        return np.empty(num_bytes, dtype=np.uint8)

    with client.stream("noise", "train", 8, epochs=6, prefetch_bytes=0, allocate=allocate) as stream:
        for batch in stream:
            assert batch.images.shape == (8, SIDE, SIDE, 3)
    # Two ahead, the one looked at, and one that the loop still names while the next is taken.
    assert len(allocated) <= 4


def test_no_more_is_received_ahead_than_allowed(client):
    made = []
    stream = client.stream(
        "noise",
        "train",
        8,
        prefetch_bytes=5 * 8 * 4800 + 2000,
        allocate=lambda n: made.append(n) or np.empty(n, np.uint8),
    )
    with stream:
        batches = [next(stream) for _ in range(3)]
        # The lane has filled its room when it asks for the next batch and waits.
        while len(made) < len(batches) + 4:
            pass
        assert len(made) <= len(batches) + 5


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size: expected a whole number of at least 1, got 0"),
        ({"batch_size": 204}, "batch_size: a global batch of 204 is larger than the 203 samples"),
        ({"rank": 2, "world_size": 2}, "rank: expected a number below world_size 2"),
        ({"rank": 2}, "rank: give rank and world_size together"),
        ({"connections": 3}, "connections: expected a divisor of batch_size 8"),
        ({"start": (0, 26)}, "step: epoch 0 has 25 steps, got 26"),
        ({"shuffle": "some"}, "shuffle: expected one of 'full', 'none', got 'some'"),
        ({"seed": -1}, "seed: expected a whole number of at least 0"),
        ({"epochs": 0}, "epochs: expected a whole number of at least 1"),
        (
            {"transform": millrace.Transform(crop_size=41)},
            "transform.crop_size: expected at most the stored 40×40, got 41",
        ),
    ],
)
def test_a_wrong_option_is_named(client, options, message):
    with pytest.raises(millrace.UsageError, match=message):
        next(client.stream("noise", "train", **{"batch_size": 8, **options}))


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"crop_size": 0}, "crop_size"),
        ({"scale": 0.0}, "scale"),
        ({"layout": "HWC"}, "layout"),
        ({"mean": "mode"}, "mean"),
    ],
)
def test_a_wrong_transform_is_named(options, field):
    with pytest.raises(millrace.UsageError, match=f"transform.{field}: expected"):
        millrace.Transform(**options)


def test_a_split_that_is_not_there_is_named(client):
    with pytest.raises(millrace.MillraceError, match='no split "val" of a dataset "noise"') as caught:
        client.stream("noise", "val", 8)
    assert caught.value.code == "ERR_NOT_FOUND"


def test_a_token_does_not_travel_in_plain_text():
    with pytest.raises(millrace.UsageError, match="token: would go to feeder:50051 in plain text"):
        millrace.connect(["127.0.0.1:1", "feeder:50051"], token="secret")
    with pytest.raises(millrace.UsageError, match="servers: expected at least one"):
        millrace.connect([])


def test_importing_it_brings_neither_torch_nor_jax():
    code = "import sys, millrace; assert not {'torch', 'jax'} & set(sys.modules), sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)
