"""Lightning's trainer keeps a stream's state in its checkpoints, and goes on from there."""

import logging

import pytest
import torch
from conftest import NUM_SAMPLES

import millrace
from millrace.torch import BatchStream

lightning = pytest.importorskip("lightning", reason="needs lightning, which make python-tools installs")

NUM_STEPS = NUM_SAMPLES // 32


class StoppedError(Exception):
    """Stands for a kill."""


class Model(lightning.LightningModule):
    """Remembers what it was given; stops before a step, if told so."""

    def __init__(self, stop_at=None):
        super().__init__()
        self.layer = torch.nn.Linear(3 * 24 * 24, 5)
        self.stop_at = stop_at
        self.seen = []

    def training_step(self, batch, _):
        if self.global_step == self.stop_at:
            raise StoppedError
        self.seen.append((batch.epoch, batch.step, batch.ids.tolist()))
        return torch.nn.functional.cross_entropy(self.layer(batch.images.flatten(1)), batch.labels)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.001)


def fit(client, folder, model, checkpoint=None):
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    keep = lightning.pytorch.callbacks.ModelCheckpoint(folder, filename="{step}", every_n_train_steps=4, save_top_k=-1)
    trainer = lightning.Trainer(
        accelerator="cpu", max_epochs=2, logger=False, callbacks=[keep], enable_progress_bar=False
    )
    transform = millrace.Transform(crop_size=24, scale=1 / 128)
    stream = BatchStream(client, "noise", "train", 32, seed=4, transform=transform, device="cpu")
    try:
        trainer.fit(model, stream, ckpt_path=checkpoint)
    finally:
        stream.close()


@pytest.mark.parametrize("num_kept", [4, 8])
@pytest.mark.filterwarnings("ignore")
def test_a_fit_goes_on_at_the_batch_after_the_checkpoint(client, tmp_path, num_kept):
    whole = Model()
    fit(client, tmp_path / "whole", whole)
    assert [seen[:2] for seen in whole.seen] == [(epoch, step) for epoch in range(2) for step in range(NUM_STEPS)]

    first, second = Model(stop_at=num_kept + 1), Model()
    with pytest.raises(StoppedError):
        fit(client, tmp_path / "part", first)
    fit(client, tmp_path / "part", second, tmp_path / f"part/step={num_kept}.ckpt")
    assert first.seen == whole.seen[: num_kept + 1]
    assert second.seen == whole.seen[num_kept:]
