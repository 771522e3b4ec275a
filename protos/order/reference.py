"""The law of the order in plain Python, for whoever writes a client in another language.

Run it to print the test vectors: python3 protos/order/reference.py > protos/order/vectors.json
It is written to be read, not to be fast, and shares no code with the TypeScript it is checked against.
"""

import json
import math
import struct

MASK32 = 0xFFFFFFFF
GOLDEN = 0x9E3779B9
TAG_PERMUTATION = 0x50000000
TAG_DRAW = 0x44000000
TAG_DIGEST_LOW = 0x1D000000
TAG_DIGEST_HIGH = 0x1D000001
TAG_SEED_LOW = 0x5E000000
TAG_SEED_HIGH = 0x5E000001
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


def derive_seed(seed, index):
    """The seed of part `index` of what has this seed, of [0, 2^53)."""
    low, high = (absorb_integer(absorb_integer(mix32(tag), seed), index) for tag in (TAG_SEED_LOW, TAG_SEED_HIGH))
    return (high >> 11) << 32 | low


def block_shuffle_at(size, seed, epoch, position, block_samples, window_blocks):
    """The index at a position of a pass shuffled in blocks: written out, window by window."""
    num_blocks = -(-size // block_samples)
    blocks = [permutation_at(num_blocks, seed, epoch, place) for place in range(num_blocks)]
    for window in range(-(-num_blocks // window_blocks)):
        inside = [
            index
            for block in blocks[window * window_blocks : (window + 1) * window_blocks]
            for index in range(block * block_samples, min((block + 1) * block_samples, size))
        ]
        if position < len(inside):
            return inside[permutation_at(len(inside), derive_seed(seed, window), epoch, position)]
        position -= len(inside)
    raise IndexError(position)


def arrange(size, seed, shuffle, epoch, position):
    """The index of [0, size) at a position of a pass; shuffle is "none", "full" or [blockSamples, windowBlocks]."""
    if shuffle == "none":
        return position
    if shuffle == "full":
        return permutation_at(size, seed, epoch, position)
    return block_shuffle_at(size, seed, epoch, position, *shuffle)


def length_of(selection):
    """Positions of one pass over a selection."""
    if selection["kind"] == "mix":
        return sum(length_of(part["of"]) for part in selection["parts"])
    return len(ids_of(selection))


def ids_of(selection):
    """The ids of a range or a list, in order."""
    return range(selection["begin"], selection["end"]) if selection["kind"] == "range" else selection["ids"]


def place_at(selection, seed, shuffle, epoch, position):
    """What stands at a position of a pass: a sample id, and the pass over its own list."""
    if selection["kind"] != "mix":
        ids = ids_of(selection)
        return ids[arrange(len(ids), seed, shuffle, epoch, position)], epoch
    weights = [part["weight"] for part in selection["parts"]]
    weights = [weight // math.gcd(*weights) for weight in weights]
    turn_of, turn = divmod(epoch * length_of(selection) + position, sum(weights))
    slot = turn if shuffle == "none" else permutation_at(sum(weights), seed, turn_of & MASK32, turn)
    part = 0
    while slot >= weights[part]:
        slot -= weights[part]
        part += 1
    chosen = selection["parts"][part]["of"]
    own_epoch, own_position = divmod(turn_of * weights[part] + slot, length_of(chosen))
    return place_at(chosen, derive_seed(seed, part), shuffle, own_epoch & MASK32, own_position)


def draw32(seed, epoch, sample_id, lane):
    """A uniform 32-bit word for one draw of one sample in one epoch."""
    state = absorb(absorb_integer(mix32(TAG_DRAW + lane), seed), epoch)
    return absorb_integer(state, sample_id)


def draw_below(bound, word):
    """A uniform integer of [0, bound) from a uniform word."""
    return word * bound >> 32


def draw_unit(word):
    """A uniform number of (0, 1)."""
    return (word + 0.5) / 2**32


def draw_normal(seed, epoch, sample_id, first_lane):
    """All but normal: twelve 16-bit halves of six lanes."""
    words = [draw32(seed, epoch, sample_id, lane) for lane in range(first_lane, first_lane + 6)]
    return (sum((word >> 16) + (word & 0xFFFF) for word in words) - 393210) / 65536


def round_half_up(value):
    return math.floor(value + 0.5)


def resized_crop(seed, epoch, sample_id, height, width, area, ratio):
    """Rectangle [y, x, height, width] of a random-resized crop."""
    low, high = math.log(ratio[0]), math.log(ratio[1])
    for attempt in range(10):
        words = [draw32(seed, epoch, sample_id, 64 + 4 * attempt + i) for i in range(4)]
        pixels = (area[0] + (area[1] - area[0]) * draw_unit(words[0])) * height * width
        r = math.exp(low + (high - low) * draw_unit(words[1]))
        w, h = round_half_up(math.sqrt(pixels * r)), round_half_up(math.sqrt(pixels / r))
        if 1 <= w <= width and 1 <= h <= height:
            return [draw_below(height - h + 1, words[2]), draw_below(width - w + 1, words[3]), h, w]
    r = min(max(width / height, ratio[0]), ratio[1])
    w, h = max(1, min(width, round_half_up(height * r))), max(1, min(height, round_half_up(width / r)))
    return [(height - h) >> 1, (width - w) >> 1, h, w]


def color_steps(seed, epoch, sample_id, strengths):
    """[kind, draw] in order; strengths by kind."""
    digits, left, steps = draw_below(24, draw32(seed, epoch, sample_id, 7)), list(enumerate(strengths)), []
    for size in (4, 3, 2, 1):
        digits, digit = divmod(digits, size)
        index, kind = left.pop(digit)
        reach = round_half_up(strengths[kind] * 65536)
        steps.append([kind, draw_below(2 * reach + 1, draw32(seed, epoch, sample_id, 3 + index)) - reach])
    return steps


def lighting(seed, epoch, sample_id, deviation):
    """Grey levels to add to R, G, B."""
    vectors = [(-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.814), (-0.5836, -0.6948, 0.4203)]
    along = [
        255 * value * deviation * draw_normal(seed, epoch, sample_id, 16 + 6 * i)
        for i, value in enumerate((0.2175, 0.0188, 0.0045))
    ]
    return [round_half_up(sum(a * b for a, b in zip(vector, along))) for vector in vectors]


def draw_beta(alpha, seed, epoch, sample_id):
    """Lambda of Beta(alpha, alpha)."""

    def unit(lane):
        return draw_unit(draw32(seed, epoch, sample_id, lane))

    if alpha == 1:
        return unit(128)
    for attempt in range(64):
        x, y = unit(128 + 2 * attempt) ** (1 / alpha), unit(129 + 2 * attempt) ** (1 / alpha)
        if 0 < x + y <= 1:
            return x / (x + y)
    return 0.5


def mix(seed, epoch, sample_id, mixup, cutmix, height, width):
    """Lambda and, for cutmix, the box [top, left, bottom, right]."""
    is_cutmix = mixup == 0 or cutmix > 0 and draw32(seed, epoch, sample_id, 8) >= 2**31
    share = draw_beta(cutmix if is_cutmix else mixup, seed, epoch, sample_id)
    if not is_cutmix:
        return float32(share), None
    box_height, box_width = math.floor(height * math.sqrt(1 - share)), math.floor(width * math.sqrt(1 - share))
    top = draw_below(height, draw32(seed, epoch, sample_id, 9)) - box_height // 2
    left = draw_below(width, draw32(seed, epoch, sample_id, 10)) - box_width // 2
    box = [max(0, top), max(0, left), min(height, top + box_height), min(width, left + box_width)]
    return float32(1 - (box[2] - box[0]) * (box[3] - box[1]) / (height * width)), box


def float32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


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
    mixed = {"kind": "mix", "parts": [
        {"weight": 6, "of": {"kind": "range", "begin": 0, "end": 5}},
        {"weight": 4, "of": {"kind": "mix", "parts": [
            {"weight": 1, "of": {"kind": "list", "ids": [5, 8, 9]}},
            {"weight": 1, "of": {"kind": "list", "ids": [7, 10, 11, 12, 6]}}]}}]}  # fmt: skip
    everything = {"kind": "range", "begin": 0, "end": 23}
    sequences = [(everything, 3, [4, 2], 1), (everything, 3, [5, 100], 0), ({"kind": "list", "ids": [4, 7, 8, 20]}, 1, "full", 2),
                 (mixed, 9, "full", 0), (mixed, 9, "full", 3), (mixed, 9, "none", 1), (mixed, 9, [2, 2], 1)]  # fmt: skip
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
        "seeds": [[s, i, derive_seed(s, i)] for s, i in ((0, 0), (0, 1), (42, 7), (2**53 - 1, 2**40))],
        "sequences": [
            {
                "selection": selection,
                "seed": seed,
                "shuffle": shuffle,
                "epoch": epoch,
                "places": [place_at(selection, seed, shuffle, epoch, p) for p in range(length_of(selection))],
            }
            for selection, seed, shuffle, epoch in sequences
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
        "augmentations": [
            {
                "seed": s,
                "epoch": e,
                "sampleId": i,
                "resizedCrop": resized_crop(s, e, i, 256, 240, (0.08, 1), (3 / 4, 4 / 3)),
                "wideCrop": resized_crop(s, e, i, 32, 256, (0.9, 1), (3 / 4, 4 / 3)),
                "color": color_steps(s, e, i, {"brightness": 0.4, "contrast": 0.5, "saturation": 1.5, "hue": 0.25}),
                "lighting": lighting(s, e, i, 0.5),
                "mixup": mix(s, e, i, 0.25, 0, 224, 224)[0],
                "either": mix(s, e, i, 0.5, 1, 224, 200),
            }
            for s, e, i in ((0, 0, 0), (1, 2, 3), (9, 8, 1234567), (2**53 - 1, 5, 2**40 - 1))
        ],
        "digests": [
            {"ids": ids, "hex": id_digest(ids)} for ids in ([], [0], [0, 1, 2], [2, 0, 1], [5, 5], [big - 1])
        ],
    }


if __name__ == "__main__":
    print(json.dumps(vectors(), indent=1))
