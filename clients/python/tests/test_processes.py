"""A trainer's process: how it ends, is interrupted, forks and spawns."""

import signal
import subprocess
import sys
import textwrap

import pytest
from program import start_program


@pytest.mark.parametrize("ending", ["pass", "sys.exit(0)", "stream.close()", "client.close()", "del stream"])
def test_the_interpreter_ends_with_a_stream_open(any_server, ending):
    process = start_program(
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
    process = start_program(
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
    process = start_program(
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
    process = start_program(
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
    process = start_program(
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


@pytest.mark.parametrize("thread", ["millrace-lane-0", "Thread-"], ids=["ours", "grpc"])
def test_a_stream_ends_also_when_a_receiving_thread_collects_it_as_garbage(any_server, thread):
    process = start_program(
        """
        import gc, sys, threading, millrace

        is_garbage = threading.Event()

        def collect(frame, event, _):
            if is_garbage.is_set() and threading.current_thread().name.startswith(sys.argv[2]):
                is_garbage.clear()
                gc.collect()
                print("collected", flush=True)

        gc.disable()
        threading.setprofile(collect)
        stream = millrace.connect(sys.argv[1]).stream("noise", "train", 8, prefetch_bytes=100 << 20)
        next(stream)
        stream.itself = stream
        del stream
        is_garbage.set()
        while any(thread.name.startswith("millrace-") for thread in threading.enumerate()):
            pass
        """,
        any_server.address,
        thread,
    )
    assert process.communicate() == ("collected\n", "")
