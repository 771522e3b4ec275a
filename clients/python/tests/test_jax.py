import os
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from conftest import NUM_SAMPLES
from program import run_program

import millrace
from millrace.jax import BatchStream

AUGMENTED = millrace.Transform(crop_size=24, mirror=True, channel_order="RGB", scale=0.5)
NUM_STEPS = NUM_SAMPLES // 32


def stream_of(client, **options):
    return BatchStream(client, "noise", "train", 32, **{"transform": AUGMENTED, "seed": 4, "epochs": 2, **options})


@pytest.mark.parametrize("mean", ["image", "channel", "none"])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_arrays_are_the_batches_that_numpy_gets(client, mean, layout, dtype):
    transform = millrace.Transform(24, mirror=True, mean=mean, scale=0.017, std=(2, 3, 5), layout=layout, dtype=dtype)
    numpy = client.stream("noise", "train", 32, seed=4, epochs=2, transform=transform)
    arrays = list(stream_of(client, transform=transform))
    assert len(arrays) == 2 * NUM_STEPS
    for array, batch in zip(arrays, numpy, strict=True):
        assert (array.epoch, array.step) == (batch.epoch, batch.step)
        np.testing.assert_array_equal(np.asarray(array.images), batch.normalized())
        np.testing.assert_array_equal(np.asarray(array.labels), batch.labels)
        np.testing.assert_array_equal(array.ids, batch.ids)
        assert array.is_valid.all()


@pytest.mark.parametrize("wire", ["uint8", "float16", "bfloat16"])
def test_pictures_are_mixed_as_numpy_mixes_them(client, wire):
    transform = replace(AUGMENTED, mixing=millrace.Mixing(0.5, 1.0), dtype=wire)
    numpy = client.stream("noise", "train", 32, seed=4, epochs=1, transform=transform)
    for array, batch in zip(stream_of(client, transform=transform, epochs=1), numpy, strict=True):
        # float32 rounds three times where NumPy rounds once.
        np.testing.assert_allclose(np.asarray(array.images), batch.normalized(), rtol=1e-6, atol=2e-5)
        np.testing.assert_array_equal(np.asarray(array.targets), batch.targets())


def test_it_gives_the_dtype_asked_for(client):
    stream = stream_of(client, dtype=jnp.bfloat16)
    assert next(stream).images.dtype == jnp.bfloat16
    stream.close()
    with pytest.raises(millrace.UsageError, match="dtype: expected a floating one"):
        stream_of(client, dtype=jnp.uint8)


def test_its_state_is_that_of_what_was_given(client):
    everything = [batch.ids.tolist() for batch in stream_of(client)]
    stream = stream_of(client)
    assert [next(stream).ids.tolist() for _ in range(4)] == everything[:4]
    state = stream.state_dict()
    assert (state["epoch"], state["step"]) == (0, 4)
    stream.close()
    again = stream_of(client)
    again.load_state_dict(state)
    assert [batch.ids.tolist() for batch in again] == everything[4:]


def test_a_batch_is_sharded_over_the_devices(server):
    code = """
        import sys, jax, numpy as np, millrace
        from jax.sharding import NamedSharding, PartitionSpec
        from millrace.jax import BatchStream

        sharding = NamedSharding(jax.make_mesh((4,), ("data",)), PartitionSpec("data"))
        client = millrace.connect(sys.argv[1])
        whole = client.stream("noise", "train", 32, epochs=1)
        for batch, expected in zip(BatchStream(client, "noise", "train", 32, sharding=sharding, epochs=1), whole):
            assert batch.images.sharding == sharding and len(batch.images.addressable_shards) == 4
            assert batch.images.addressable_shards[0].data.shape == (8, 40, 40, 3)
            np.testing.assert_array_equal(np.asarray(batch.images), expected.normalized())
        mixed = millrace.Transform(mixing=millrace.Mixing(1.0))
        stream = BatchStream(client, "noise", "train", 8, sharding=sharding, transform=mixed)
        batch, expected = next(stream), next(client.stream("noise", "train", 8, transform=mixed))
        np.testing.assert_allclose(np.asarray(batch.images), expected.normalized(), rtol=1e-6, atol=2e-5)
        np.testing.assert_array_equal(np.asarray(batch.targets), expected.targets())
        try:
            BatchStream(client, "noise", "train", 4, sharding=sharding, transform=mixed)
        except millrace.UsageError as error:
            print(error)
    """
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
    run = run_program(code, server.address, env=environment)
    assert run.stdout == "batch_size: transform.mixing needs an even number of samples a device, got 4 for 4\n", (
        run.stderr
    )
