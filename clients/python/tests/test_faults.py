"""What breaks: servers and trainers killed, interrupted, forked."""

import gc
import itertools
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import Server, StartServer, assert_same, lane_threads

import millrace

TRANSFORM = millrace.Transform(crop_size=24, mirror=True)


def stream_of(client, connections=1, epochs=2, **options):
    return client.stream(
        "noise",
        "train",
        8,
        seed=5,
        epochs=epochs,
        transform=TRANSFORM,
        connections=connections,
        prefetch_bytes=0,
        **options,
    )


@pytest.fixture
def expected(client):
    return list(stream_of(client))


#: More than fits into the buffers between a server and its client, so that a server that is killed early has not sent all.
MANY_EPOCHS = 40


@pytest.fixture(scope="module")
def expected_of_many_epochs(server):
    with millrace.connect(server.address) as client:
        return list(stream_of(client, epochs=MANY_EPOCHS))


@pytest.mark.parametrize("connections", [1, 2])
@pytest.mark.parametrize("step", [1, 13, 24, 25])
def test_a_server_killed_loses_nothing_and_doubles_nothing(
    start_server: StartServer, expected_of_many_epochs, connections, step
):
    first, second = start_server(), start_server()
    reconnects = []
    with millrace.connect([first.address, second.address], on_reconnect=reconnects.append) as client:
        stream = stream_of(client, connections, epochs=MANY_EPOCHS)
        got = list(itertools.islice(stream, step))
        first.kill()
        got += stream
    assert reconnects[0].server == first.address
    for one, other in zip(got, expected_of_many_epochs, strict=True):
        assert_same(one, other)


def test_a_server_that_comes_back_is_gone_on_with(root: Path, expected_of_many_epochs):
    server = Server(root)
    port = server.address.rsplit(":", 1)[1]
    is_down, stopped = threading.Event(), threading.Event()

    def restart():
        is_down.wait()
        with Server(root, port=port) as again:
            stopped.wait()
            again.kill()

    restarter = threading.Thread(target=restart)
    restarter.start()
    with millrace.connect(server.address, on_reconnect=lambda _: is_down.set()) as client:
        stream = stream_of(client, epochs=MANY_EPOCHS)
        got = list(itertools.islice(stream, 7))
        server.kill()
        got += stream
    stopped.set()
    restarter.join()
    for one, other in zip(got, expected_of_many_epochs, strict=True):
        assert_same(one, other)


def test_servers_that_do_not_answer_are_named():
    client = millrace.connect(["127.0.0.1:1", "127.0.0.1:2"], give_up_seconds=0.05)
    with pytest.raises(
        millrace.MillraceError, match=r"no server of 127.0.0.1:1, 127.0.0.1:2 served for 0.05 s"
    ) as caught:
        client.dataset("noise", "train")
    assert caught.value.code == "ERR_UNAVAILABLE"


def test_batches_that_came_before_the_last_server_died_are_still_given(
    start_server: StartServer, expected_of_many_epochs
):
    server = start_server()
    with millrace.connect(server.address, give_up_seconds=0) as client:
        stream = stream_of(client, epochs=MANY_EPOCHS)
        got = [next(stream)]
        server.kill()
        with pytest.raises(millrace.MillraceError, match="no server of"):
            got += iter(stream.__next__, None)
    for one, other in zip(got, expected_of_many_epochs, strict=False):
        assert_same(one, other)


def test_closing_cuts_waits_for_a_dead_server_short(start_server: StartServer):
    server = start_server()
    gone, ended = threading.Event(), []
    client = millrace.connect(server.address, give_up_seconds=3600, on_reconnect=lambda _: gone.set())
    stream = stream_of(client, epochs=None)
    next(stream)

    def consume():
        try:
            list(stream)
        except millrace.MillraceError as error:
            ended.append(error.code)

    consumer = threading.Thread(target=consume)
    consumer.start()
    server.kill()
    gone.wait()
    client.close()
    consumer.join()
    assert ended == ["ERR_CLOSED"]
    assert lane_threads() == []


def run_python(code: str, *arguments: str, may_fork: bool = False) -> subprocess.Popen:
    """A program that says where it hangs, if it does, and ends; unless it forks, which the watching thread does not survive."""
    watch = "" if may_fork else "import faulthandler; faulthandler.dump_traceback_later(60, exit=True)\n"
    return subprocess.Popen(
        [sys.executable, "-c", watch + textwrap.dedent(code), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_trainer_killed_goes_on_from_its_checkpoint(server, tmp_path, expected):
    code = """
        import json, os, sys, hashlib, millrace
        address, folder, last = sys.argv[1], sys.argv[2], int(sys.argv[3])
        stream = millrace.connect(address).stream("noise", "train", 8, seed=5, epochs=2, connections=2,
            transform=millrace.Transform(crop_size=24, mirror=True))
        if os.path.exists(f"{folder}/state.json"):
            with open(f"{folder}/state.json") as file:
                stream.load_state_dict(json.load(file))
        for count, batch in enumerate(stream, 1):
            with open(f"{folder}/{batch.epoch}.{batch.step}", "x") as file:
                file.write(hashlib.sha256(batch.images).hexdigest())
            with open(f"{folder}/new.json", "w") as file:
                json.dump(stream.state_dict(), file)
            os.replace(f"{folder}/new.json", f"{folder}/state.json")
            if count == last:
                print("at", count, flush=True)
                sys.stdin.read()
    """
    for last in (3, 24, 1):
        trainer = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), server.address, str(tmp_path), str(last)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with trainer:
            assert trainer.stdout.readline()
            trainer.kill()
    assert subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), server.address, str(tmp_path), "-1"], check=True
    )
    import hashlib

    for batch in expected:
        assert (tmp_path / f"{batch.epoch}.{batch.step}").read_text() == hashlib.sha256(batch.images).hexdigest()
    assert len(list(tmp_path.iterdir())) == len(expected) + 1


@pytest.mark.parametrize("ending", ["pass", "sys.exit(0)", "stream.close()", "client.close()", "del stream"])
def test_the_interpreter_ends_with_a_stream_open(any_server, ending):
    process = run_python(
        f"""
        import sys, millrace
        client = millrace.connect(sys.argv[1])
        stream = client.stream("noise", "train", 8, connections=2, prefetch_bytes=0)
        next(stream)
        {ending}
        """,
        any_server.address,
    )
    assert process.communicate() == ("", "")
    assert process.returncode == 0


def test_ctrl_c_interrupts_a_wait_for_a_batch(server):
    process = run_python(
        """
        import sys, millrace
        client = millrace.connect(["127.0.0.1:1", sys.argv[1]], give_up_seconds=3600)
        stream = client.stream("noise", "train", 8)
        next(stream)
        # A server that cannot be reached, so that `next` waits.
        waiting = millrace.connect("127.0.0.1:1", give_up_seconds=3600, on_reconnect=lambda _: print("waiting", flush=True))
        stream._make_failover = waiting._failover
        stream.seek(millrace.Position(0, 9))
        next(stream)
        """,
        server.address,
    )
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert errors.rstrip().endswith("KeyboardInterrupt"), errors
    assert process.returncode == -signal.SIGINT


def test_ctrl_c_ends_a_loop_over_batches_and_leaves_no_thread(any_server):
    process = run_python(
        """
        import sys, threading, millrace
        client = millrace.connect(sys.argv[1])
        try:
            with client.stream("noise", "train", 8, connections=2, prefetch_bytes=0) as stream:
                for batch in stream:
                    batch.normalized()
                    if batch.step == 3:
                        print("streaming", flush=True)
        except KeyboardInterrupt:
            names = [thread.name for thread in threading.enumerate()]
            print([name for name in names if name.startswith("millrace-")], flush=True)
            raise
        """,
        any_server.address,
    )
    assert process.stdout.readline() == "streaming\n"
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate()
    assert output.replace("streaming\n", "") == "[]\n", errors
    assert errors.rstrip().endswith("KeyboardInterrupt"), errors
    assert process.returncode == -signal.SIGINT


def test_a_spawned_process_may_stream_beside_its_parent(any_server, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent("""
        import multiprocessing, sys, millrace

        def count(address):
            return sum(len(batch) for batch in millrace.connect(address).stream("noise", "train", 8, epochs=1))

        if __name__ == "__main__":
            stream = millrace.connect(sys.argv[1]).stream("noise", "train", 8)
            next(stream)
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.apply(count, (sys.argv[1],)), next(stream).step)
        """)
    )
    done = subprocess.run(
        [sys.executable, str(program), any_server.address], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("200 1\n", 0), done.stderr


def test_a_forked_process_is_told_what_to_do_and_ends(any_server):
    process = run_python(
        """
        import os, sys, millrace
        client = millrace.connect(sys.argv[1])
        stream = client.stream("noise", "train", 8)
        next(stream)
        child = os.fork()
        if child == 0:
            for use in (lambda: next(stream), lambda: client.dataset("noise", "train")):
                try:
                    use()
                except millrace.MillraceError as error:
                    print(error.code, error)
            stream.close()
            sys.exit(7)
        _, status = os.waitpid(child, 0)
        print("child", os.waitstatus_to_exitcode(status))
        print("parent", next(stream).step)
        """,
        any_server.address,
        may_fork=True,
    )
    output, errors = process.communicate()
    assert "child 7\nparent 1\n" in output, errors
    assert output.count("ERR_CLOSED") == output.count("num_workers=0") == 2
    assert process.returncode == 0


def test_a_process_that_forks_before_it_streams_may_stream_in_its_children(server):
    process = run_python(
        """
        import os, sys, millrace
        client = millrace.connect(sys.argv[1])
        child = os.fork()
        # Lines of two processes: each has to be one write.
        os.write(1, b"%d\\n" % sum(len(batch) for batch in client.stream("noise", "train", 8, epochs=1)))
        if child:
            os.write(1, b"%d\\n" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """,
        server.address,
        may_fork=True,
    )
    output, errors = process.communicate()
    assert output == "200\n200\n0\n", errors


def test_forty_epochs_leave_memory_and_threads_as_they_were(any_server):
    def usage():
        gc.collect()
        # Less what is shared: pages of the server's memory, and of libraries.
        _, resident, shared, *_ = map(int, Path("/proc/self/statm").read_text().split())
        threads = len(list(Path("/proc/self/task").iterdir()))
        return (resident - shared) * os.sysconf("SC_PAGE_SIZE"), threads

    usages = []
    for batch in millrace.connect(any_server.address).stream("noise", "train", 8, connections=2, epochs=50):
        batch.normalized()
        if batch.is_last_step:
            usages.append(usage())
    # The C library's arenas grow at first. Of the 38 MB that were received since, and four times as many floats, nothing is kept.
    assert usages[-1][0] - usages[9][0] < 12 << 20, usages
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


def test_state_is_small_and_plain(client):
    state = stream_of(client).state_dict()
    assert json.loads(json.dumps(state)) == state
    assert len(json.dumps(state)) < 400
    assert not any(isinstance(value, np.generic) for value in state.values())
