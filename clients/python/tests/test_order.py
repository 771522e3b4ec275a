"""The law of the order against the vectors that every language is held to."""

import json
from pathlib import Path

import numpy as np
import pytest

from millrace.errors import UsageError
from millrace.order.batch_plan import Order
from millrace.order.draws import draw32, draw_below
from millrace.order.id_digest import IdDigest
from millrace.order.keyed_hash import mix32
from millrace.order.permutation import permute

VECTORS = json.loads((Path(__file__).parents[3] / "protos/order/vectors.json").read_text())


def test_the_hash_gives_the_vectors():
    words, mixed = np.array(VECTORS["mix32"], dtype=np.uint32).T
    assert mix32(words).tolist() == mixed.tolist()


@pytest.mark.parametrize(
    "vector", VECTORS["permutation"], ids=lambda v: f"{v['numSamples']} samples, epoch {v['epoch']}"
)
def test_the_permutation_gives_the_vectors(vector):
    ids = permute(vector["numSamples"], vector["seed"], vector["epoch"], vector["positions"])
    assert ids.tolist() == vector["ids"]


@pytest.mark.parametrize("num_samples", [1, 2, 63, 64, 65, 1000])
def test_the_permutation_is_a_bijection(num_samples):
    ids = permute(num_samples, 5, 6, np.arange(num_samples))
    assert sorted(ids.tolist()) == list(range(num_samples))


def test_the_permutation_refuses_what_is_outside():
    with pytest.raises(UsageError, match="positions: expected positions in"):
        permute(10, 0, 0, [10])
    with pytest.raises(UsageError, match="num_samples"):
        permute(0, 0, 0, [])


@pytest.mark.parametrize("vector", VECTORS["draws"], ids=lambda v: f"{v['lane']} of {v['sampleId']}")
def test_draws_give_the_vectors(vector):
    words = draw32(vector["seed"], vector["epoch"], [vector["sampleId"]], vector["lane"])
    assert words.tolist() == [vector["word"]]
    assert draw_below(30, words).tolist() == [vector["below30"]]


@pytest.mark.parametrize("vector", VECTORS["batches"], ids=lambda v: f"{v['endOfEpoch']} {v['epoch']}.{v['step']}")
def test_batches_give_the_vectors(vector):
    order = Order(vector["numSamples"], vector["seed"], vector["globalBatchSize"], end_of_epoch=vector["endOfEpoch"])
    plan = order.plan(vector["epoch"], vector["step"], vector["rank"], vector["worldSize"])
    assert plan.ids.tolist() == vector["ids"]
    assert plan.is_valid.tolist() == vector["isValid"]


def test_unshuffled_batches_are_in_order():
    assert Order(10, 0, 4, shuffle="none").plan(3, 1).ids.tolist() == [4, 5, 6, 7]


def test_a_step_past_the_end_is_refused():
    with pytest.raises(UsageError, match=r"step: expected one of \[0, 2\) in epoch 0, got 2"):
        Order(10, 0, 4).plan(0, 2)
    with pytest.raises(UsageError, match="world_size: expected a divisor"):
        Order(10, 0, 4).plan(0, 0, 0, 3)


@pytest.mark.parametrize("vector", VECTORS["digests"], ids=lambda v: str(v["ids"]))
def test_digests_give_the_vectors(vector):
    digest = IdDigest()
    digest.add(np.array(vector["ids"], dtype=np.int64))
    assert digest.hex() == vector["hex"]
    assert digest.count == len(vector["ids"])
