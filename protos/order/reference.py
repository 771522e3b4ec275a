"""The law of the order in plain Python, for whoever writes a client in another language.

Run it to print the test vectors: python3 protos/order/reference.py > protos/order/vectors.json
It is written to be read, not to be fast, and shares no code with the TypeScript it is checked against.
"""

import json

MASK32 = 0xFFFFFFFF
GOLDEN = 0x9E3779B9
TAG_PERMUTATION = 0x50000000
TAG_DRAW = 0x44000000
TAG_DIGEST_LOW = 0x1D000000
TAG_DIGEST_HIGH = 0x1D000001
NUM_ROUNDS = 8
MIN_HALF_BITS = 3
LANES = {"mirror": 0, "cropY": 1, "cropX": 2}


def mix32(x):
    """A bijection of 32-bit words."""
    x ^= x >> 16
    x = x * 0x21F0AAAD & MASK32
    x ^= x >> 15
    x = x * 0x735A2D97 & MASK32
    return x ^ x >> 15


def absorb(state, word):
    """Takes 32 bits into a 32-bit state."""
    return mix32((state ^ word) + GOLDEN & MASK32)


def absorb_integer(state, value):
    """Takes an integer of [0, 2^53) into the state: low word, then high word."""
    return absorb(absorb(state, value & MASK32), value >> 32)


def permutation_at(num_samples, seed, epoch, position):
    """The sample id at a position of an epoch's full shuffle."""
    half_bits = MIN_HALF_BITS
    while 4**half_bits < num_samples:
        half_bits += 1
    mask = (1 << half_bits) - 1
    keys = [
        absorb(absorb_integer(mix32(TAG_PERMUTATION + r), seed), epoch)
        for r in range(NUM_ROUNDS)
    ]
    value = position
    while True:
        left, right = value >> half_bits, value & mask
        for key in keys:
            left, right = right, left ^ (mix32(right ^ key) & mask)
        value = left << half_bits | right
        if value < num_samples:
            return value


def draw32(seed, epoch, sample_id, lane):
    """A uniform 32-bit word for one draw of one sample in one epoch."""
    state = absorb(absorb_integer(mix32(TAG_DRAW + lane), seed), epoch)
    return absorb_integer(state, sample_id)


def draw_below(bound, word):
    """A uniform integer of [0, bound) from a uniform word."""
    return word * bound >> 32


def id_digest(ids):
    """Order-free digest of a multiset of sample ids, 16 hex digits."""
    low = sum(absorb_integer(mix32(TAG_DIGEST_LOW), i) for i in ids) & MASK32
    high = sum(absorb_integer(mix32(TAG_DIGEST_HIGH), i) for i in ids) & MASK32
    return f"{high:08x}{low:08x}"


def batch_ids(num_samples, seed, end_of_epoch, global_batch_size, epoch, step, rank, world_size):
    """Sample ids of one rank's batch, each with whether it is valid (not padding)."""
    size = global_batch_size // world_size
    if end_of_epoch == "wrap":
        first_step = -(-epoch * num_samples // global_batch_size)
        begin = (first_step + step) * global_batch_size - epoch * num_samples
    else:
        begin = step * global_batch_size
    ids, valid = [], []
    for position in range(begin + rank * size, begin + (rank + 1) * size):
        past = position // num_samples
        sample_epoch = epoch + past if end_of_epoch == "wrap" else epoch
        ids.append(permutation_at(num_samples, seed, sample_epoch, position % num_samples))
        valid.append(past == 0 or end_of_epoch == "wrap")
    return ids, valid


def vectors():
    big = 2**40
    keys = [(1, 0, 0), (2, 1, 0), (10, 0, 0), (10, 0, 1), (10, 1, 0), (1000, 2**53 - 1, 7),
            (1281167, 42, 89), (10**9, 7, 4294967295), (big, 1, 2)]  # fmt: skip
    batches = [(10, 3, "drop", 4, 0, 1, 0, 2), (10, 3, "drop", 4, 0, 1, 1, 2), (10, 3, "pad", 4, 1, 2, 0, 1),
               (10, 3, "wrap", 4, 0, 2, 0, 1), (10, 3, "wrap", 4, 1, 0, 0, 1), (1281167, 1, "wrap", 256, 3, 5004, 1, 8)]  # fmt: skip
    fields = ["numSamples", "seed", "endOfEpoch", "globalBatchSize", "epoch", "step", "rank", "worldSize"]
    return {
        "mix32": [[x, mix32(x)] for x in (0, 1, 2, GOLDEN, MASK32)],
        "permutation": [
            {
                "numSamples": n,
                "seed": seed,
                "epoch": epoch,
                "positions": positions,
                "ids": [permutation_at(n, seed, epoch, p) for p in positions],
            }
            for n, seed, epoch in keys
            for positions in [sorted({p for p in (0, 1, 2, 3, n // 3, n // 2, n - 2, n - 1) if 0 <= p < n})]
        ],
        "draws": [
            {"seed": s, "epoch": e, "sampleId": i, "lane": lane, "word": w, "below30": draw_below(30, w)}
            for s, e, i in ((0, 0, 0), (1, 2, 3), (2**53 - 1, 5, 2**40 - 1))
            for lane, number in LANES.items()
            for w in [draw32(s, e, i, number)]
        ],
        "batches": [
            dict(zip(fields, batch), ids=ids, isValid=valid)
            for batch in batches
            for ids, valid in [batch_ids(*batch)]
        ],
        "digests": [
            {"ids": ids, "hex": id_digest(ids)} for ids in ([], [0], [0, 1, 2], [2, 0, 1], [5, 5], [big - 1])
        ],
    }


if __name__ == "__main__":
    print(json.dumps(vectors(), indent=1))
