"""Servers that are killed, come back, or never answer."""

import itertools
import threading

import pytest
from conftest import StartServer, assert_all_same, lane_threads, stream_of

import millrace

#: More than fits into the buffers between a server and its client, so that a server that is killed early has not sent all.
MANY_EPOCHS = 40


@pytest.fixture(scope="module")
def expected(server):
    with millrace.connect(server.address) as client:
        return list(stream_of(client, epochs=MANY_EPOCHS))


@pytest.mark.parametrize("connections", [1, 2])
@pytest.mark.parametrize("step", [1, 13, 24, 25])
def test_a_server_killed_loses_nothing_and_doubles_nothing(start_server: StartServer, expected, connections, step):
    first, second = start_server(), start_server()
    reconnects = []
    with millrace.connect([first.address, second.address], on_reconnect=reconnects.append) as client:
        stream = stream_of(client, connections, epochs=MANY_EPOCHS)
        got = list(itertools.islice(stream, step))
        first.kill()
        got += stream
    assert reconnects[0].server == first.address
    assert_all_same(got, expected)


def test_a_server_that_comes_back_is_gone_on_with(start_server: StartServer, expected):
    server = start_server()
    port = server.address.rsplit(":", 1)[1]
    is_down = threading.Event()
    restarter = threading.Thread(target=lambda: is_down.wait() and start_server(port=port), daemon=True)
    restarter.start()
    with millrace.connect(server.address, on_reconnect=lambda _: is_down.set()) as client:
        stream = stream_of(client, epochs=MANY_EPOCHS)
        got = list(itertools.islice(stream, 7))
        server.kill()
        got += stream
    restarter.join()
    assert_all_same(got, expected)


def test_servers_that_do_not_answer_are_named():
    client = millrace.connect(["127.0.0.1:1", "127.0.0.1:2"], give_up_seconds=0.05)
    with pytest.raises(
        millrace.MillraceError, match=r"no server of 127.0.0.1:1, 127.0.0.1:2 served for 0.05 s"
    ) as caught:
        client.dataset("noise", "train")
    assert caught.value.code == "ERR_UNAVAILABLE"


def test_batches_that_came_before_the_last_server_died_are_still_given_and_then_it_may_be_tried_again(
    start_server: StartServer, expected
):
    server = start_server()
    with millrace.connect(server.address, give_up_seconds=0) as client:
        stream = stream_of(client, epochs=MANY_EPOCHS)
        got = [next(stream)]
        server.kill()
        for _ in range(2):
            with pytest.raises(millrace.MillraceError, match="no server of"):
                got += iter(stream.__next__, None)
        start_server(port=server.address.rsplit(":", 1)[1])
        got += stream
    assert_all_same(got, expected)


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


def test_who_is_told_of_a_lost_server_may_close_the_stream(start_server: StartServer):
    server = start_server()
    client = millrace.connect(server.address, give_up_seconds=3600, on_reconnect=lambda _: client.close())
    stream = stream_of(client, epochs=None)
    next(stream)
    server.kill()
    with pytest.raises(millrace.MillraceError, match="this stream was closed") as caught:
        for _ in stream:
            pass
    assert caught.value.code == "ERR_CLOSED"
