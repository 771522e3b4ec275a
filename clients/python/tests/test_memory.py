import gc
import itertools

import numpy as np
from conftest import SIDE

import millrace

AUGMENTED = millrace.Transform(crop_size=24, mirror=True)


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
