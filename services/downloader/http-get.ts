/** One GET: redirects by hand, time-outs, and Node's and undici's errors turned into the two that a transfer knows. */
import type { Dispatcher } from 'undici';
import { codeOf, InterruptedError, messageOf, MillraceError, throwIfAborted } from '../../lib/core/errors.js';
import type { HeadersFor } from './credentials.js';
import { HttpExchange, type ResponseHead } from './http-exchange.js';
import { headerOf, type Headers } from './response-headers.js';
import { refusalText } from './response-verdict.js';
import { watchForStall, type StallWatch } from './stall-watch.js';
import { displayUrl } from './source-url.js';
import { TransferBrokenError, TransferRefusedError } from './transfer-errors.js';
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
  /** Logins, asked for at each hop. */
  readonly credentials: HeadersFor;
  readonly transfer: TransferOptions;
  readonly signal: AbortSignal | undefined;
}

/**
 * Gets `url`, following redirects to http and https only; each request carries `headers`, which hold no
 * credentials, and the credentials of its own host.
 * Throws TransferBrokenError when no response came, TransferRefusedError for redirects that lead nowhere and certificates that
 * cannot be trusted, InterruptedError when `signal` is aborted.
 */
export async function httpGet(url: string, headers: Record<string, string>, options: HttpOptions): Promise<Response> {
  let target = url;
  for (let hop = 0; hop <= options.transfer.maxRedirects; hop++) {
    const response = await getOnce(target, { ...headers, ...options.credentials(new URL(target)) }, options);
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
  if (target.protocol === 'http:' && new URL(from).protocol === 'https:') {
    const shown = displayUrl(target.href);
    throw new TransferRefusedError(
      from,
      `a redirect from https to ${shown}, which anybody could alter; use another source`,
    );
  }
  return target.href;
}

async function getOnce(
  url: string,
  headers: Record<string, string>,
  { dispatcher, transfer, signal }: HttpOptions,
): Promise<Response> {
  throwIfAborted(signal);
  const exchange = HttpExchange.begin(new URL(url), {
    ...{ dispatcher, headers },
    headersTimeoutMs: transfer.firstByteTimeoutMs,
  });
  let watch: StallWatch | undefined;
  const interrupt = (): void => end(new InterruptedError());
  const end = (reason: Error): void => {
    watch?.stop();
    signal?.removeEventListener('abort', interrupt);
    exchange.abort(reason);
  };
  signal?.addEventListener('abort', interrupt, { once: true });
  let head: ResponseHead;
  try {
    head = await exchange.head;
  } catch (error) {
    signal?.removeEventListener('abort', interrupt);
    throw toTransferError(url, error);
  }
  const discard = (): void => end(new TransferBrokenError(url, 'not wanted any more'));
  return {
    ...head,
    discard,
    async *readBody() {
      const { stallWindowMs, minBytesPerSecond } = transfer;
      watch = watchForStall(transfer, () => {
        const reason = `stalled: under ${minBytesPerSecond} bytes/s over ${stallWindowMs / 1000} s`;
        end(new TransferBrokenError(url, reason));
      });
      const chunks = exchange.chunks();
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
  if (/^UND_ERR/.test(code) && /\(407\)/.test(messageOf(error))) {
    return new TransferRefusedError(url, refusalText(407), { cause: error });
  }
  return new TransferBrokenError(url, REASONS[code] ?? messageOf(error), { cause: error });
}
