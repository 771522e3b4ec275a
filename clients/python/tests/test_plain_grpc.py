"""A client with nothing of ours: stubs that grpcio-tools makes from protos/, as any language can."""

import subprocess
import sys

from conftest import NUM_SAMPLES, REPOSITORY, SIDE
from program import run_program

CLIENT = """
    import sys
    # Our own package is not to be found.
    sys.path[:] = [sys.argv[2], *(path for path in sys.path if not path.endswith("clients/python/src"))]
    import grpc
    from millrace.v1 import batch_pb2, batch_pb2_grpc

    stub = batch_pb2_grpc.BatchServiceStub(grpc.insecure_channel(sys.argv[1]))
    split = stub.GetDataset(batch_pb2.GetDatasetRequest(dataset="noise", split="train")).split
    request = batch_pb2.StreamBatchesRequest(
        dataset="noise", split="train", version=split.version, global_batch_size=10, num_epochs=1,
        end_of_epoch=batch_pb2.END_OF_EPOCH_PAD, transform=batch_pb2.Transform(crop_size=24))
    ids = set()
    for frame in stub.StreamBatches(request):
        assert list(frame.sample_shape) == [24, 24, split.channels]
        assert len(frame.pixels) == len(frame.ids) * 24 * 24 * split.channels
        ids.update(frame.ids)
    assert ids == set(range(split.num_samples))
    assert frame.is_last_step and len(frame.epoch_digest) == 16
    assert batch_pb2.__file__.startswith(sys.argv[2])
    print(len(ids), split.height)
"""


def test_stubs_made_from_the_protos_alone_are_served(server, tmp_path):
    protoc = [sys.executable, "-m", "grpc_tools.protoc", "-I", str(REPOSITORY / "protos")]
    subprocess.run(
        [*protoc, f"--python_out={tmp_path}", f"--grpc_python_out={tmp_path}", "millrace/v1/batch.proto"], check=True
    )
    run = run_program(CLIENT, server.address, str(tmp_path))
    assert (run.stdout, run.returncode) == (f"{NUM_SAMPLES} {SIDE}\n", 0), run.stderr
