/** The server's Prometheus metrics. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export interface ServerMetrics {
  readonly streamsActive: Gauge;
  readonly batchesSent: Counter;
  readonly bytesSent: Counter;
  /** Assembling one frame; its count is that of all frames assembled. */
  readonly frameAssemblySeconds: Histogram;
  /** Frames that a stream got and that were assembled for another one. */
  readonly framesShared: Counter;
  /** Time that frames waited for the wire: a slow trainer or network shows here. */
  readonly wireWaitSeconds: Counter;
  readonly streamErrors: Counter<'code'>;
}

export function createServerMetrics(registry: Registry): ServerMetrics {
  const registers = [registry];
  return {
    streamsActive: new Gauge({ name: 'millrace_serve_streams_active', help: 'Open batch streams', registers }),
    batchesSent: new Counter({ name: 'millrace_serve_batches_sent_total', help: 'Batches sent', registers }),
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
    wireWaitSeconds: new Counter({
      name: 'millrace_serve_wire_wait_seconds_total',
      help: 'Time that streams waited for the wire to take a frame',
      registers,
    }),
    streamErrors: new Counter({
      name: 'millrace_serve_stream_errors_total',
      help: 'Streams ended by an error, by code',
      labelNames: ['code'],
      registers,
    }),
  };
}
