from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest
from conftest import AUGMENTED, NUM_CLASSES, NUM_SAMPLES, fixture_pixels

import millrace


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


@pytest.mark.parametrize(
    "transform",
    [
        replace(millrace.presets.RESNET, crop_size=24),
        replace(millrace.presets.EVAL, crop_size=24, layout="NCHW", scale=2.0),
        replace(millrace.presets.CAFFE_GOOGLENET, crop_size=24),
        millrace.Transform(mean="channel", std=(64,), color_jitter=millrace.presets.RESNET_JITTER, lighting=0.1),
    ],
    ids=["resnet", "eval", "googlenet", "jitter"],
)
def test_recipes_come_out_as_the_server_does_them(client, transform):
    here, there = (
        list(client.stream("noise", "train", 50, epochs=1, transform=replace(transform, dtype=dtype)))
        for dtype in ("uint8", "float32")
    )
    for one, other in zip(here, there, strict=True):
        assert one.normalized().tobytes() == other.images.tobytes()


def test_the_mean_may_be_that_of_another_split(client):
    own, other = (
        next(client.stream("noise", "train", 50, mean_of=mean_of, transform=millrace.Transform(dtype=dtype)))
        for mean_of, dtype in ((("sample", "train"), "uint8"), (("sample", "train"), "float32"))
    )
    assert own.normalized().tobytes() == other.images.tobytes()
    with pytest.raises(millrace.MillraceError, match='no split "test"'):
        client.stream("noise", "train", 50, mean_of=("sample", "test"))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_floats_are_the_nearest_to_float32(client, dtype):
    half, full = (
        next(client.stream("noise", "train", 50, transform=millrace.Transform(24, scale=0.017, dtype=dtype)))
        for dtype in (dtype, "float32")
    )
    if dtype == "float16":
        np.testing.assert_array_equal(half.images, full.images.astype(np.float16))
    else:
        np.testing.assert_array_equal(half.images.view(ml_dtypes.bfloat16), full.images.astype(ml_dtypes.bfloat16))
    assert half.images.nbytes * 2 == full.images.nbytes
    out = np.empty_like(full.images)
    assert half.normalized(out) is out
    assert half.normalized().tobytes() == out.tobytes()
    np.testing.assert_allclose(out, full.images, rtol=2**-8, atol=1e-3)


def test_ten_crops_are_corners_and_center_of_each_sample_and_their_mirror_images(client):
    transform = millrace.Transform(24, crop_mode="ten", mean="none", layout="NCHW")
    with client.stream("noise", "train", 8, transform=transform) as stream:
        assert stream.num_steps() == NUM_SAMPLES // 8
        batch = next(stream)
    assert batch.images.shape == (80, 3, 24, 24)
    np.testing.assert_array_equal(batch.ids.reshape(8, 10), np.repeat(batch.ids[::10, None], 10, axis=1))
    for i, (sample_id, picture) in enumerate(zip(batch.ids, batch.images, strict=True)):
        y, x = [(0, 0), (0, 16), (16, 0), (16, 16), (8, 8)][i % 5]
        expected = fixture_pixels(sample_id)[:, y : y + 24, x : x + 24]
        np.testing.assert_array_equal(picture, expected[:, :, ::-1] if i % 10 >= 5 else expected)


def test_mixed_pictures_are_made_of_pairs_and_what_came_stays_as_it_came(client):
    mixing = millrace.Mixing(mixup_alpha=0.5, cutmix_alpha=1.0)
    plain, mixed = (
        next(client.stream("noise", "train", 50, transform=replace(AUGMENTED, mixing=mixing, dtype="float32")))
        for mixing in (millrace.Mixing(), mixing)
    )
    before = plain.images.copy()
    got, targets = mixed.normalized(), mixed.targets()
    np.testing.assert_array_equal(mixed.images, before)
    assert plain.mix is None
    share, box = mixed.mix
    assert 0 < (box[:, 2] > 0).sum() < 50
    for i in range(50):
        own, partner = (before[k].astype(np.float64) for k in (i, i ^ 1))
        top, left, bottom, right = box[i]
        expected = share[i] * own + (1 - np.float64(share[i])) * partner
        if bottom > 0:
            expected = own.copy()
            expected[top:bottom, left:right] = partner[top:bottom, left:right]
            assert share[i] == np.float32(1 - (bottom - top) * (right - left) / 24**2)
        np.testing.assert_array_equal(got[i], expected.astype(np.float32))
        row = np.zeros(NUM_CLASSES)
        row[mixed.labels[i]] += share[i]
        row[mixed.labels[i ^ 1]] += 1 - np.float64(share[i])
        np.testing.assert_allclose(targets[i], row, atol=1e-7)
