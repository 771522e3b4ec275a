"""What a client makes of servers that send other things than they should."""

import itertools

import numpy as np
import pytest
from conftest import assert_all_same
from odd_server import frames, odd_server

import millrace
from millrace.frame import read_frame
from millrace.v1 import batch_pb2 as pb

OPTIONS = {"dataset": "noise", "split": "train", "batch_size": 40, "epochs": 1}


def other_id(frame):
    if frame.step == 2:
        frame.ids[1] = (frame.ids[1] + 1) % 203


def other_shape(frame):
    frame.sample_shape[0] = 39


def fewer_pixels(frame):
    frame.pixels = frame.pixels[:-1]


def fewer_labels(frame):
    del frame.labels[-1]


def other_step(frame):
    frame.step += 1


def other_batch(frame):
    frame.batch_size += 1


def test_a_server_that_sent_other_samples_than_it_says_is_found_out(server):
    with odd_server(server.address, frames(other_id)) as address, millrace.connect(address) as client:
        with pytest.raises(millrace.MillraceError, match="says it sent other samples of epoch 0") as caught:
            list(client.stream(**OPTIONS))
        assert caught.value.code == "ERR_VERIFICATION"


@pytest.mark.parametrize("change", [other_shape, fewer_pixels, fewer_labels, other_step, other_batch])
def test_frames_that_do_not_follow_are_refused(server, change):
    with odd_server(server.address, frames(change)) as address:
        with millrace.connect(address, give_up_seconds=0) as client, pytest.raises(millrace.MillraceError) as caught:
            list(client.stream(**OPTIONS))
        assert "a frame that does not follow" in str(caught.value)
        # Another server mends it.
        with millrace.connect([address, server.address]) as client, millrace.connect(server.address) as direct:
            assert_all_same(client.stream(**OPTIONS), direct.stream(**OPTIONS))


def test_streams_that_are_cut_again_and_again_come_to_their_end(server):
    def cut(messages):
        return itertools.islice(messages, 3)

    def stream(client, connections):
        return client.stream("noise", "train", 10, epochs=2, connections=connections)

    reconnects = []
    with (
        odd_server(server.address, cut) as one,
        odd_server(server.address, cut) as other,
        millrace.connect([one, other], on_reconnect=reconnects.append) as client,
        millrace.connect(server.address) as direct,
    ):
        assert_all_same(stream(client, 2), stream(direct, 1))
    assert {event.server for event in reconnects} == {one, other}
    assert all("ended the stream early" in event.reason for event in reconnects)


def test_a_frame_may_have_its_fields_in_any_order():
    frame = pb.BatchFrame(
        epoch=3, batch_size=2, ids=[1, 300], labels=[-1, 2], flags=b"\x01\x02", pixels=bytes(range(200))
    )
    usual = frame.SerializeToString()
    begin = usual.index(bytes([15 << 3 | 2]) + b"\xc8\x01")
    pixels_first = usual[begin:] + usual[:begin]
    unknown = b"\xa5\x06abcd" + b"\xa1\x06abcdefgh" + b"\xa0\x06\x80\x01"
    for message in (usual, pixels_first, unknown + usual, usual + unknown, unknown + pixels_first):
        header, pixels, _ = read_frame(message)
        assert (header.epoch, list(header.ids), list(header.labels)) == (3, [1, 300], [-1, 2])
        np.testing.assert_array_equal(pixels, np.arange(200))
    for end in range(len(usual)):
        # Cut anywhere, it is refused or lacks pixels: never read past its end.
        try:
            assert read_frame(usual[:end]).pixels.size == 0
        except Exception as error:
            assert type(error).__name__ == "DecodeError"
