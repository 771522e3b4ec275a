/** Telling a running download service what to do: its unary calls, as functions. */
import type { Metadata, ServiceError } from '@grpc/grpc-js';
import { toRpcError } from '../../../lib/rpc/rpc-error.js';
import {
  JobState,
  type CancelResponse,
  type DownloadServiceClient,
  type Job,
  type ListResponse,
  type PauseResponse,
  type ResumeResponse,
} from '../../../protos/gen/millrace/v1/download.js';
import { dial, type ServiceAccess } from './dial.js';

/** Each call throws UsageError naming the field, ERR_NOT_FOUND naming the job, ERR_UNAVAILABLE when the service cannot be reached. */
export class DownloadControl {
  readonly #service: string;
  readonly #client: DownloadServiceClient;
  readonly #metadata: Metadata;

  /** Close it in the end. Throws UsageError when the token would go over the network in the clear. */
  constructor(access: ServiceAccess) {
    const { client, metadata } = dial(access);
    this.#service = access.service;
    this.#client = client;
    this.#metadata = metadata;
  }

  /** Jobs in the order in which they were added; `bytesPerSecond` 0: no limit. */
  list(): Promise<ListResponse> {
    return this.#call((done) => this.#client.list({}, this.#metadata, done));
  }

  /** `files` empty: all that are queued or active. Returns those that are meant, as they are now. */
  async pause(files: readonly string[]): Promise<Job[]> {
    return (await this.#call<PauseResponse>((done) => this.#client.pause({ files: [...files] }, this.#metadata, done)))
      .jobs;
  }

  /** `files` empty: all that are paused. */
  async resume(files: readonly string[]): Promise<Job[]> {
    return (
      await this.#call<ResumeResponse>((done) => this.#client.resume({ files: [...files] }, this.#metadata, done))
    ).jobs;
  }

  /** `files`: at least one. What has come of them is kept. */
  async cancel(files: readonly string[]): Promise<Job[]> {
    return (
      await this.#call<CancelResponse>((done) => this.#client.cancel({ files: [...files] }, this.#metadata, done))
    ).jobs;
  }

  /** Over all transfers; undefined lifts the limit. */
  async setRate(bytesPerSecond: number | undefined): Promise<void> {
    await this.#call((done) => this.#client.setRate({ bytesPerSecond: bytesPerSecond ?? 0 }, this.#metadata, done));
  }

  close(): void {
    this.#client.close();
  }

  async #call<Response>(
    begin: (done: (error: ServiceError | null, response: Response) => void) => unknown,
  ): Promise<Response> {
    try {
      return await new Promise((resolve, reject) => {
        begin((error, response) => (error === null ? resolve(response) : reject(error)));
      });
    } catch (error) {
      throw toRpcError(error, this.#service);
    }
  }
}

/** "active", "done": as people and `--json` are told. */
export function stateName(state: JobState): string {
  return JobState[state].toLowerCase();
}
