from dataclasses import replace

import numpy as np
import pytest
from conftest import NUM_CLASSES, NUM_SAMPLES

import millrace

COUNTS = tuple(len(range(label, NUM_SAMPLES, NUM_CLASSES)) for label in range(NUM_CLASSES))


def test_blocks_are_another_order_of_the_same_samples(client):
    ids = np.concatenate([b.ids for b in client.stream("noise", "train", 7, epochs=1, shuffle="blocks")])
    assert sorted(ids.tolist()) == list(range(NUM_SAMPLES)) != ids.tolist()


def test_a_selection_gives_its_samples_alone(client):
    chosen = [9, 3, 200, 17]
    batches = list(
        client.stream("noise", "train", 2, epochs=1, shuffle="none", selection=millrace.Selection(np.array(chosen)))
    )
    assert [i for batch in batches for i in batch.ids] == chosen
    stream = client.stream("noise", "train", 8, epochs=1, selection=millrace.Selection(classes=[0, 4]))
    assert stream.samples_per_epoch == COUNTS[0] + COUNTS[4]
    assert set(np.concatenate([batch.labels for batch in stream]).tolist()) == {0, 4}


def test_a_balanced_epoch_has_every_class_equally_often(client):
    stream = client.stream("noise", "train", 40, epochs=1, selection=millrace.Selection(balance_classes=True))
    labels = np.concatenate([batch.labels for batch in stream])
    assert np.bincount(labels).tolist() == [40] * NUM_CLASSES


def test_splits_are_interleaved_by_weight_under_ids_of_their_own(client):
    stream = client.stream(
        "noise", "train", 40, epochs=1, weight=3, mix_with=[millrace.Source("sample", "train", weight=1)]
    )
    assert stream.samples_per_epoch == 2 * NUM_SAMPLES
    ids = np.concatenate([batch.ids for batch in stream])
    assert (ids < NUM_SAMPLES).sum() == 3 * len(ids) / 4
    assert ids.max() < 2 * NUM_SAMPLES


def test_ids_come_from_a_file_too(tmp_path):
    file = tmp_path / "ids.txt"
    file.write_text("4\n\n 17 \n")
    assert millrace.Selection.from_file(file) == millrace.Selection([4, 17])
    file.write_text("4\nseven\n")
    with pytest.raises(millrace.UsageError, match="line 2: expected a sample id, got 'seven'"):
        millrace.Selection.from_file(file)
    file.write_text("\n")
    with pytest.raises(millrace.UsageError, match="holds no sample id"):
        millrace.Selection.from_file(file)


def test_classes_that_nobody_counted_are_refused(client):
    info = client.dataset("noise", "train")
    assert info.class_counts == COUNTS
    selection = millrace.Selection(classes=[1])
    assert selection.num_samples(info) == COUNTS[1]
    with pytest.raises(millrace.UsageError, match=r"noise/train have not been counted; prepare it again"):
        selection.num_samples(replace(info, class_counts=()))
