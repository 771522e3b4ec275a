/** The server's Prometheus metrics. */
import { STALL_CAUSES, type StallCause } from './stream-entry.js';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export interface ServerMetrics {
  readonly streamsActive: Gauge;
  readonly batchesSent: Counter;
  readonly imagesSent: Counter;
  readonly bytesSent: Counter;
  /** Assembling one frame; its count is that of all frames assembled. */
  readonly frameAssemblySeconds: Histogram;
  /** Part of it: reading records. */
  readonly recordReadSeconds: Counter;
  /** Frames that a stream got and that were assembled for another one. */
  readonly framesShared: Counter;
  /** Time that streams waited, by what for. */
  readonly stallSeconds: Counter<'cause'>;
  readonly streamErrors: Counter<'code'>;
  /** Records that could not be had: an alarm. */
  readonly corruptRecords: Counter<'dataset' | 'split'>;
  /** Streams whose data was replaced before all of it had been opened: an alarm. */
  readonly replacedSplits: Counter<'dataset' | 'split'>;
}

/** What the server tells when it is asked. */
export interface ServerFacts {
  /** Bytes of the batches' memory in use, frames included that are kept for streams to come. */
  readonly memoryBytes: () => number;
  /** Bytes of it that streams hold. */
  readonly heldBytes: () => number;
  /** Bytes of it in all. */
  readonly memoryLimitBytes: () => number;
}

export function createServerMetrics(registry: Registry, facts: ServerFacts): ServerMetrics {
  const registers = [registry];
  const gauge = (name: string, help: string, value: () => number): Gauge =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  gauge('millrace_serve_memory_used_bytes', 'Memory of batches in use, spare frames included', facts.memoryBytes);
  gauge('millrace_serve_memory_held_bytes', 'Memory of batches that streams hold', facts.heldBytes);
  gauge('millrace_serve_memory_limit_bytes', 'Memory of batches in all', facts.memoryLimitBytes);
  const stallSeconds = new Counter<'cause'>({
    name: 'millrace_serve_stall_seconds_total',
    help: 'Time that streams waited, by what for: disk, assembly, wire or trainer',
    labelNames: ['cause'],
    registers,
  });
  for (const cause of STALL_CAUSES) stallSeconds.inc({ cause } satisfies { cause: StallCause }, 0);
  new Gauge({
    name: 'millrace_serve_process_info',
    help: 'The processes of this server',
    labelNames: ['pid'],
    registers,
  }).set({ pid: process.pid }, 1);
  return {
    streamsActive: new Gauge({ name: 'millrace_serve_streams_active', help: 'Open batch streams', registers }),
    batchesSent: new Counter({ name: 'millrace_serve_batches_sent_total', help: 'Batches sent', registers }),
    imagesSent: new Counter({
      name: 'millrace_serve_images_sent_total',
      help: 'Images sent, padding included',
      registers,
    }),
    bytesSent: new Counter({ name: 'millrace_serve_bytes_sent_total', help: 'Bytes of frames sent', registers }),
    frameAssemblySeconds: new Histogram({
      name: 'millrace_serve_frame_assembly_seconds',
      help: 'Time to read and assemble one frame',
      buckets: [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1],
      registers,
    }),
    framesShared: new Counter({
      name: 'millrace_serve_frames_shared_total',
      help: 'Frames that a stream got and that were assembled for another one',
      registers,
    }),
    recordReadSeconds: new Counter({
      name: 'millrace_serve_record_read_seconds_total',
      help: 'Part of the time of assembling that went into reading records',
      registers,
    }),
    stallSeconds,
    streamErrors: new Counter({
      name: 'millrace_serve_stream_errors_total',
      help: 'Streams ended by an error, by code',
      labelNames: ['code'],
      registers,
    }),
    corruptRecords: new Counter({
      name: 'millrace_serve_corrupt_records_total',
      help: 'Streams ended because a record could not be had: a shard is damaged, cut short or missing',
      labelNames: ['dataset', 'split'],
      registers,
    }),
    replacedSplits: new Counter({
      name: 'millrace_serve_replaced_splits_total',
      help: 'Streams ended because another version took the place of theirs before all of it was open',
      labelNames: ['dataset', 'split'],
      registers,
    }),
  };
}
