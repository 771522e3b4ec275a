import gc
import itertools
import os
from pathlib import Path

import numpy as np
from conftest import AUGMENTED, SIDE, lane_threads
from program import run_program

import millrace


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
    run = run_program(code, server.address)
    assert float(run.stdout) < 0.25, run.stderr


def test_two_hundred_epochs_leave_memory_and_threads_as_they_were(any_server):
    def usage():
        gc.collect()
        # Less what is shared: pages of the server's memory, and of libraries.
        _, resident, shared, *_ = map(int, Path("/proc/self/statm").read_text().split())
        threads = len(list(Path("/proc/self/task").iterdir()))
        return (resident - shared) * os.sysconf("SC_PAGE_SIZE"), threads

    usages = []
    for batch in millrace.connect(any_server.address).stream("noise", "train", 8, connections=2, epochs=200):
        batch.normalized()
        if batch.is_last_step:
            usages.append(usage())
    # Of the 180 MB that were received since, and four times as many floats, nothing is kept but what the C library may keep free.
    assert usages[-1][0] - usages[9][0] < 64 << 20, usages
    assert usages[-1][1] <= usages[9][1], usages


def test_streams_opened_and_closed_leave_nothing(any_server):
    client = millrace.connect(any_server.address)

    def open_and_close():
        with client.stream("noise", "train", 8, connections=2) as stream:
            next(stream)

    open_and_close()
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    threads = len(list(Path("/proc/self/task").iterdir()))
    for _ in range(10):
        open_and_close()
    gc.collect()
    assert lane_threads() == []
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors + 2
    assert len(list(Path("/proc/self/task").iterdir())) <= threads + 2
    assert "memfd:millrace" not in Path("/proc/self/maps").read_text()
