"""What a user of OpenCV and py-lmdb writes instead of `millrace prepare`: decode, resize, Datum, LMDB, in one process.

usage: prepare-peer.py PACK ROUNDS DATABASE

PACK holds JPEGs: u32 count, then u32 size and bytes of each, little-endian. Records are committed a thousand at a time, as
Caffe's convert_imageset does.
"""
import struct
import sys

import cv2
import lmdb
import numpy

SIZE = 256
RECORDS_PER_COMMIT = 1000


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


HEAD = b"\x08\x03\x10" + varint(SIZE) + b"\x18" + varint(SIZE) + b"\x22" + varint(3 * SIZE * SIZE)


def datum(file, label):
    image = cv2.resize(cv2.imdecode(file, cv2.IMREAD_COLOR), (SIZE, SIZE))
    return HEAD + image.transpose(2, 0, 1).tobytes() + b"\x28" + varint(label) + b"\x38\x00"


def main():
    cv2.setNumThreads(1)
    pack = open(sys.argv[1], "rb").read()
    files, at = [], 4
    while at < len(pack):
        (size,) = struct.unpack_from("<I", pack, at)
        files.append(numpy.frombuffer(pack, numpy.uint8, size, at + 4))
        at += 4 + size
    database = lmdb.open(sys.argv[3], map_size=1 << 40)
    transaction = database.begin(write=True)
    number = 0
    for _ in range(int(sys.argv[2])):
        for label, file in enumerate(files):
            transaction.put(b"%08d_n%08d.JPEG" % (number, label), datum(file, label), append=True)
            number += 1
            if number % RECORDS_PER_COMMIT == 0:
                transaction.commit()
                transaction = database.begin(write=True)
    transaction.commit()
    database.close()


main()
