"""Streams of all kinds, beside what the TypeScript client is given for the same options: the same to the bit."""

import json
import re
import subprocess
from dataclasses import asdict, is_dataclass

import numpy as np
import pytest
from conftest import REPOSITORY

from millrace import BlockShape, LabelOptions, Mixing, Selection, Source, Transform, presets

RESIZED = Transform(20, crop_mode="random_resized", mirror=True, mean="channel", std=(60,))
CROPPED = Transform(24, mirror=True, channel_order="RGB")

CASES = {
    "float16": {"transform": Transform(24, mirror=True, scale=0.017, dtype="float16")},
    "bfloat16": {"transform": Transform(24, mean="channel", layout="NCHW", dtype="bfloat16")},
    "ten crops": {"transform": Transform(24, crop_mode="ten", layout="NCHW")},
    "ten crops, filled up": {"transform": Transform(24, crop_mode="ten", dtype="float32"), "end_of_epoch": "pad"},
    "resized and jittered": {
        "transform": Transform(
            20,
            crop_mode="random_resized",
            mean="values",
            mean_values=(104, 117, 123),
            color_jitter=presets.RESNET_JITTER,
            lighting=0.1,
        )
    },
    "mixup": {"transform": Transform(24, mirror=True, mixing=Mixing(mixup_alpha=0.4))},
    "cutmix": {"transform": Transform(24, layout="NCHW", mixing=Mixing(cutmix_alpha=1.0), dtype="float16")},
    "mixup or cutmix, smoothed": {
        "transform": Transform(mean="none", dtype="float32", mixing=Mixing(0.75, 1.0)),
        "labels": LabelOptions(smoothing=0.1),
    },
    "one-hot": {"transform": RESIZED, "labels": LabelOptions("one-hot")},
    "ids": {"transform": CROPPED, "selection": Selection(np.arange(150, 20, -3)), "shuffle": "none"},
    "classes": {"transform": CROPPED, "selection": Selection(classes=[4, 1])},
    "balanced": {"transform": CROPPED, "selection": Selection(balance_classes=True), "end_of_epoch": "wrap"},
    "weighted": {"transform": CROPPED, "selection": Selection(classes=(3, 0), class_weights=(5, 2)), "epochs": 3},
    "blocks": {"transform": CROPPED, "shuffle": "blocks", "blocks": BlockShape(8, 3)},
    "two splits": {"transform": CROPPED, "mix_with": [Source("sample", "train")], "shuffle": "none"},
    "two splits, weighted": {
        "transform": CROPPED,
        "weight": 3,
        "selection": Selection(classes=(2,)),
        "mix_with": [Source("sample", "train", 1, Selection(range(50)))],
        "shuffle": "blocks",
    },
}
COMMON = {"seed": 5, "epochs": 2, "end_of_epoch": "drop"}
BATCH_SIZE = 12

#: Writes what the TypeScript client gets. Arguments: its module, the server, a folder, a list of stream options.
TYPESCRIPT = """
    import { writeFileSync } from 'node:fs';

    const [module, server, folder, cases] = process.argv.slice(1);
    const { connect } = await import(module);
    const client = connect({ servers: [server] });
    for (const [i, options] of JSON.parse(cases).entries()) {
      const fields = { images: [], targets: [], labels: [], ids: [], isValid: [] };
      for await (const batch of client.stream({ prefetchBytes: 0, ...options })) {
        for (const name in fields) {
          const array = batch[name] ?? new Float32Array(0);
          fields[name].push(Buffer.from(array.buffer, array.byteOffset, array.byteLength));
        }
      }
      for (const name in fields) writeFileSync(`${folder}/${i}.${name}`, Buffer.concat(fields[name]));
    }
    client.close();
"""


def in_typescript(value):
    """The same option as the TypeScript client writes it."""
    if is_dataclass(value):
        return in_typescript(asdict(value))
    if isinstance(value, dict):
        given = {key: item for key, item in value.items() if item is not None}
        if "area" in given:
            for name in ("area", "aspect_ratio"):
                given[name] = dict(zip(("min", "max"), given[name], strict=True))
            given["crop_mode"] = given["crop_mode"].replace("_", "-")
        return {re.sub("_(.)", lambda m: m[1].upper(), key): in_typescript(item) for key, item in given.items()}
    return [in_typescript(item) for item in value] if isinstance(value, list | tuple) else value


@pytest.fixture(scope="module")
def typescript(server, tmp_path_factory):
    """The folder with what the TypeScript client was given, by number of the case."""
    folder = tmp_path_factory.mktemp("typescript")
    common = {"dataset": "noise", "split": "train", "batch_size": BATCH_SIZE, **COMMON}
    cases = [in_typescript({**common, **case}) for case in CASES.values()]
    module = REPOSITORY / "dist/services/trainer/client/client.js"
    arguments = [module.as_uri(), server.address, str(folder), json.dumps(cases)]
    subprocess.run(["node", "--input-type=module", "--eval", TYPESCRIPT, *arguments], check=True)
    return folder


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("connections", [1, 2])
def test_it_gives_what_the_typescript_client_gives(client, typescript, name, connections):
    stream = client.stream("noise", "train", BATCH_SIZE, **{**COMMON, **CASES[name]}, connections=connections)
    batches = list(stream)
    assert len(batches) > 1
    assert [b.step for b in batches if b.epoch == 0] == list(range(stream.num_steps(0)))

    def read(field, dtype):
        return np.fromfile(typescript / f"{list(CASES).index(name)}.{field}", dtype)

    got = np.concatenate([batch.normalized() for batch in batches])
    np.testing.assert_array_equal(got.ravel(), read("images", "<f4"))
    np.testing.assert_array_equal(np.concatenate([batch.ids for batch in batches]), read("ids", "<f8"))
    np.testing.assert_array_equal(np.concatenate([batch.labels for batch in batches]), read("labels", "<i4"))
    np.testing.assert_array_equal(np.concatenate([batch.is_valid for batch in batches]), read("isValid", "u1"))
    if stream.options.labels.is_soft(stream.options.transform):
        targets = np.concatenate([batch.targets() for batch in batches])
        assert targets.shape == (len(got), len(stream.info.classes))
        assert targets.tobytes() == read("targets", "<f4").tobytes()
    else:
        assert read("targets", "<f4").size == 0
