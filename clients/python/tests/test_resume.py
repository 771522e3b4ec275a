import hashlib
import json

import numpy as np
import pytest
from conftest import AUGMENTED, assert_all_same, stream_of
from program import run_program, start_program

import millrace


def test_it_resumes_at_any_step_with_the_batches_that_would_have_come(client):
    everything = list(client.stream("noise", "train", 32, seed=3, epochs=2, transform=AUGMENTED))
    for i, batch in enumerate(everything):
        start = (batch.epoch, batch.step)
        rest = list(
            client.stream("noise", "train", 32, seed=3, epochs=2 - batch.epoch, start=start, transform=AUGMENTED)
        )
        assert_all_same(rest, everything[i:])


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
    assert_all_same(again, expected[10:])

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
        ({"selection": millrace.Selection(range(100))}, "selection: the run to go on with had other samples"),
        ({"mix_with": [millrace.Source("sample", "train")]}, "selection: the run to go on with had other samples"),
    ],
)
def test_a_state_of_another_run_is_refused(client, change, message):
    options = {"batch_size": 24, "seed": 9}
    state = {**client.stream("noise", "train", **options, start=(1, 2)).state_dict()}
    with pytest.raises(millrace.UsageError, match=message):
        client.stream("noise", "train", **{**options, **change}).load_state_dict(state)


@pytest.mark.parametrize("missing", ["format", "seed", "version", "global_batch_size", "step"])
def test_what_is_no_state_is_refused(client, missing):
    stream = client.stream("noise", "train", 24)
    state = {name: value for name, value in stream.state_dict().items() if name != missing}
    with pytest.raises(millrace.UsageError, match=r"state: expected what state_dict\(\) gave"):
        stream.load_state_dict(state)


def test_a_state_on_other_data_is_refused(client):
    stream = client.stream("noise", "train", 24)
    with pytest.raises(millrace.MillraceError, match="the run began on version f00") as caught:
        stream.load_state_dict({**stream.state_dict(), "version": "f00"})
    assert caught.value.code == "ERR_VERSION_CHANGED"


def test_a_state_of_a_selection_goes_on_with_the_same_one_alone(client):
    def stream(classes):
        selection = millrace.Selection(classes=classes, class_weights=range(1, len(classes) + 1))
        return client.stream(
            "noise", "train", 24, seed=9, epochs=2, selection=selection, mix_with=[millrace.Source("sample", "train")]
        )

    expected = list(stream([3, 1]))
    with stream([3, 1]) as first:
        for _ in range(14):
            next(first)
        state = json.loads(json.dumps(first.state_dict()))
    again = stream([3, 1])
    again.load_state_dict(state)
    assert_all_same(again, expected[14:])
    with pytest.raises(millrace.UsageError, match="make selection, weight, mix_with and blocks the same"):
        stream([1, 3]).load_state_dict(state)


def test_state_is_small_and_plain(client):
    state = stream_of(client).state_dict()
    assert json.loads(json.dumps(state)) == state
    assert len(json.dumps(state)) < 400
    assert not any(isinstance(value, np.generic) for value in state.values())


def test_a_trainer_killed_goes_on_from_its_checkpoint(client, server, tmp_path):
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
        with start_program(code, server.address, str(tmp_path), str(last)) as trainer:
            assert trainer.stdout.readline()
            trainer.kill()
    done = run_program(code, server.address, str(tmp_path), "-1")
    assert done.returncode == 0, done.stderr
    expected = list(stream_of(client))
    for batch in expected:
        assert (tmp_path / f"{batch.epoch}.{batch.step}").read_text() == hashlib.sha256(batch.images).hexdigest()
    assert len(list(tmp_path.iterdir())) == len(expected) + 1
