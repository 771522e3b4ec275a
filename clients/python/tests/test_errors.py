import pickle

import pytest

from millrace import MillraceError, UsageError


@pytest.mark.parametrize(
    "error", [MillraceError("ERR_UNAVAILABLE", "gone", is_retryable=True), UsageError("seed", "wrong")]
)
def test_errors_come_whole_out_of_another_process(error):
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
