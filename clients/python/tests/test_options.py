import pytest

import millrace


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size: expected a whole number of at least 1, got 0"),
        ({"batch_size": 204}, "batch_size: a global batch of 204 is larger than the 203 samples"),
        ({"rank": 2, "world_size": 2}, "rank: expected a number below world_size 2"),
        ({"rank": 2}, "rank: give rank and world_size together"),
        ({"connections": 3}, "connections: expected a divisor of batch_size 8"),
        ({"start": (0, 26)}, "step: epoch 0 has 25 steps, got 26"),
        ({"shuffle": "some"}, "shuffle: expected one of 'full', 'none', 'blocks', got 'some'"),
        ({"seed": -1}, "seed: expected a whole number of at least 0"),
        ({"epochs": 0}, "epochs: expected a whole number of at least 1"),
        ({"selection": millrace.Selection([*range(20), 7])}, "selection.ids: expected each number once, got 7 twice"),
        ({"selection": millrace.Selection(range(20), classes=[1])}, "selection.ids: expected none beside classes"),
        ({"selection": millrace.Selection(classes=[1, 9])}, "selection.classes: expected labels that some sample has"),
        (
            {"selection": millrace.Selection(classes=[1, 2], class_weights=[1])},
            "selection.class_weights: expected as many",
        ),
        (
            {"weight": 2, "mix_with": [millrace.Source("sample", "train")]},
            r"sources\[1\].weight: expected a weight in all",
        ),
        ({"labels": millrace.LabelOptions("index", smoothing=0.1)}, "labels.format: expected 'one-hot'"),
        (
            {"batch_size": 5, "transform": millrace.Transform(mixing=millrace.Mixing(1))},
            "batch_size: transform.mixing needs",
        ),
        ({"transform": millrace.Transform(mixing=millrace.Mixing(3))}, "transform.mixing.mixup_alpha: expected"),
        ({"transform": millrace.Transform(crop_mode="ten")}, "transform.crop_size: expected the side of the crop"),
        (
            {"transform": millrace.Transform(crop_size=41)},
            "transform.crop_size: expected at most the stored 40×40, got 41",
        ),
    ],
)
def test_a_wrong_option_is_named(client, options, message):
    with pytest.raises(millrace.UsageError, match=message):
        next(client.stream("noise", "train", **{"batch_size": 8, **options}))


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"crop_size": 0}, "crop_size"),
        ({"scale": 0.0}, "scale"),
        ({"layout": "HWC"}, "layout"),
        ({"mean": "mode"}, "mean"),
    ],
)
def test_a_wrong_transform_is_named(options, field):
    with pytest.raises(millrace.UsageError, match=f"transform.{field}: expected"):
        millrace.Transform(**options)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: millrace.Selection([-1]), "selection.ids: expected a whole number of at least 0, got -1"),
        (lambda: millrace.Source("noise", "train", 0), "weight: expected a whole number of at least 1"),
        (lambda: millrace.BlockShape(0), "blocks.block_samples: expected a whole number of at least 1"),
        (lambda: millrace.BlockShape(8, -1), "blocks.window_blocks: expected a whole number of at least 1"),
        (lambda: millrace.LabelOptions("soft"), "labels.format: expected one of 'index', 'one-hot', got 'soft'"),
        (lambda: millrace.LabelOptions(smoothing=1), r"labels.smoothing: expected a number of \[0, 1\), got 1"),
    ],
)
def test_a_wrong_value_is_named_where_it_is_made(make, message):
    with pytest.raises(millrace.UsageError, match=message):
        make()


def test_a_split_that_is_not_there_is_named(client):
    with pytest.raises(millrace.MillraceError, match='no split "val" of a dataset "noise"') as caught:
        client.stream("noise", "val", 8)
    assert caught.value.code == "ERR_NOT_FOUND"


def test_a_token_does_not_travel_in_plain_text():
    with pytest.raises(millrace.UsageError, match="token: would go to feeder:50051 in plain text"):
        millrace.connect(["127.0.0.1:1", "feeder:50051"], token="secret")
    with pytest.raises(millrace.UsageError, match="servers: expected at least one"):
        millrace.connect([])
