/** The downloader beside curl, wget and aria2c: how fast, what a kill costs, and what a server at fault makes of the file. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeArchive } from './download-archive.js';
import { benchKills } from './download-kills.js';
import { benchNastyServers } from './download-nasty.js';
import { benchRates } from './download-rates.js';
import { benchConnections } from './download-connections.js';

const NEEDED = ['curl', 'wget', 'aria2c', 'md5sum', '/usr/bin/time'];

const PARTS = [benchRates, benchConnections, benchKills, benchNastyServers];

/** Throws when a tool to compare with is missing. */
export async function benchDownload(): Promise<void> {
  const missing = NEEDED.filter((tool) => spawnSync(tool, ['--version'], { stdio: 'ignore' }).error !== undefined);
  if (missing.length > 0) throw new Error(`missing: ${missing.join(', ')}; "make bench-download" installs them`);
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  try {
    const archive = makeArchive(folder);
    for (const run of PARTS) await run(archive);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
