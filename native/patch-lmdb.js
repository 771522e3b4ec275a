/**
 * Mends the source of npm's `lmdb` before it is built for data format v1. There it does not register the environments that it
 * opens, so that closing one finds nothing to close: each would keep three descriptors, its map and, once its file is removed, the disk
 * space until the process ends. Run from the folder that holds node_modules; running it again changes nothing.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const PATH = 'node_modules/lmdb/src/env.cpp';
const BEFORE = `	if (!hasLock)
		pthread_mutex_unlock(envTracking->envsLock);
	env = nullptr;
`;
const AFTER = `	#ifndef MDB_OVERLAPPINGSYNC
	// Not among the tracked ones, hence nobody else's.
	if (!hasLock) {
		ExtendedEnv::removeReadTxns(env);
		mdb_env_close(env);
	}
	#endif
${BEFORE}`;

const source = readFileSync(PATH, 'utf8');
if (!source.includes(AFTER)) {
  if (source.split(BEFORE).length !== 2) {
    throw new Error(
      `${PATH} is not the one that this was made for (lmdb 3.5): see whether EnvWrap::closeEnv closes now`,
    );
  }
  writeFileSync(PATH, source.replace(BEFORE, AFTER));
}
