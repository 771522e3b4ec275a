import gc
import itertools
import subprocess
import sys
import textwrap

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


def test_messages_come_into_memory_that_earlier_ones_have_left(server):
    # A process of its own, in which nothing large was freed before.
    code = """
        import resource, sys, millrace

        transform = millrace.Transform(crop_size=40, crop_mode="ten")
        stream = millrace.connect(sys.argv[1]).stream("noise", "train", 200, epochs=60, transform=transform, prefetch_bytes=0)
        num_bytes = 0
        for batch in stream:
            if batch.epoch >= 20:
                num_bytes += batch.images.nbytes
            else:
                before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        print(faults / (num_bytes / resource.getpagesize()))
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), server.address], capture_output=True, text=True, check=True
    )
    assert float(run.stdout) < 0.25
