/** How Caffe opens a LevelDB; blocks of another size would be read as well, but the files would not be its. */
export const LEVELDB_OPTIONS = {
  keyEncoding: 'buffer',
  valueEncoding: 'buffer',
  blockSize: 65_536,
  writeBufferSize: 268_435_456,
  maxOpenFiles: 100,
} as const;
