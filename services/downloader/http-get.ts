/** One GET: redirects by hand, time-outs, and Node's and undici's errors turned into the two that a transfer knows. */
import { request, type Dispatcher } from 'undici';
import { codeOf, InterruptedError, messageOf, MillraceError } from '../../lib/core/errors.js';
import { readQueued } from './body-queue.js';
import { headerOf, type Headers } from './response-headers.js';
import { watchForStall } from './stall-watch.js';
import { displayUrl, TransferBrokenError, TransferRefusedError } from './transfer-errors.js';
import type { TransferOptions } from './transfer-options.js';

export interface Response {
  readonly status: number;
  readonly headers: Headers;
  /** Reads the body, once. Throws TransferBrokenError, also on a stall, and InterruptedError. */
  readBody(): AsyncGenerator<Buffer, void, undefined>;
  /** Ends the exchange, whatever of the body has been read. Never throws; safe to call twice. */
  discard(): void;
}

export interface HttpOptions {
  readonly dispatcher: Dispatcher;
  readonly transfer: TransferOptions;
  readonly signal: AbortSignal | undefined;
}

/**
 * Gets `url`, following redirects to http and https only; each request carries `headers`, which hold no credentials.
 * Throws TransferBrokenError when no response came, TransferRefusedError for redirects that lead nowhere and certificates that
 * cannot be trusted, InterruptedError when `signal` is aborted.
 */
export async function httpGet(url: string, headers: Record<string, string>, options: HttpOptions): Promise<Response> {
  let target = url;
  for (let hop = 0; hop <= options.transfer.maxRedirects; hop++) {
    const response = await getOnce(target, headers, options);
    if (![301, 302, 303, 307, 308].includes(response.status)) return response;
    response.discard();
    target = redirectTarget(target, headerOf(response.headers, 'location'));
  }
  throw new TransferRefusedError(url, `more than ${options.transfer.maxRedirects} redirects; check the URL`);
}

function redirectTarget(from: string, location: string | undefined): string {
  if (location === undefined || !URL.canParse(location, from)) {
    throw new TransferRefusedError(from, 'a redirect that does not say where to; check the URL');
  }
  const target = new URL(location, from);
  if (target.protocol !== 'http:' && target.protocol !== 'https:') {
    throw new TransferRefusedError(from, `a redirect to ${target.protocol}, expected http or https`);
  }
  return target.href;
}

async function getOnce(
  url: string,
  headers: Record<string, string>,
  { dispatcher, transfer, signal }: HttpOptions,
): Promise<Response> {
  const controller = new AbortController();
  const abort = (): void => controller.abort(new InterruptedError());
  const release = (): void => signal?.removeEventListener('abort', abort);
  if (signal?.aborted === true) abort();
  signal?.addEventListener('abort', abort, { once: true });

  let response: Dispatcher.ResponseData;
  try {
    response = await request(url, {
      headers,
      dispatcher,
      signal: controller.signal,
      headersTimeout: transfer.firstByteTimeoutMs,
      bodyTimeout: 0,
    });
  } catch (error) {
    release();
    throw toTransferError(url, error);
  }
  const { body } = response;
  // A body that is given up fails once more on its own, with nobody left to hear it.
  body.on('error', () => undefined);
  const discard = (): void => {
    release();
    body.destroy();
  };
  return {
    status: response.statusCode,
    headers: response.headers,
    discard,
    async *readBody() {
      const { stallWindowMs, minBytesPerSecond } = transfer;
      const watch = watchForStall(transfer, () => {
        const reason = `stalled: under ${minBytesPerSecond} bytes/s over ${stallWindowMs / 1000} s`;
        controller.abort(new TransferBrokenError(url, reason));
      });
      const chunks = readQueued(body);
      try {
        while (true) {
          watch.beginWait();
          const next = await chunks.next();
          if (next.done === true) return;
          watch.endWait(next.value.length);
          yield next.value;
        }
      } catch (error) {
        throw toTransferError(url, error);
      } finally {
        watch.stop();
        discard();
      }
    },
  };
}

const REASONS: Partial<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the host name cannot be looked up just now',
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  UND_ERR_SOCKET: 'the connection was cut',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the body is not as long as its Content-Length',
};

function toTransferError(url: string, error: unknown): MillraceError {
  if (error instanceof MillraceError) return error;
  const code = codeOf(error) ?? '';
  if (/CERT|SELF_SIGNED|ALTNAME/.test(code)) {
    const host = new URL(displayUrl(url)).host;
    return new TransferRefusedError(url, `the certificate of ${host} cannot be trusted (${code})`, { cause: error });
  }
  return new TransferBrokenError(url, REASONS[code] ?? messageOf(error), { cause: error });
}
