/** The connections of a run: straight to the servers, or through the proxies that the environment names. */
import { EnvHttpProxyAgent, type Dispatcher } from 'undici';
import { UsageError } from '../../lib/core/errors.js';

/** What `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` hold; undefined: not set. */
export interface ProxyOptions {
  readonly http?: string | undefined;
  readonly https?: string | undefined;
  readonly noProxy?: string | undefined;
}

/** Destroy it in the end. Throws UsageError naming the variable when a proxy is no http(s) URL. */
export function createHttpClient(connectTimeoutMs: number, proxy: ProxyOptions): Dispatcher {
  const tls = { timeout: connectTimeoutMs };
  return new EnvHttpProxyAgent({
    connect: tls,
    proxyTls: tls,
    requestTls: tls,
    // Plain http is handed to the proxy as it is: many let a tunnel through to port 443 only.
    proxyTunnel: false,
    // Given always, since undici would look into the environment itself for what is not.
    httpProxy: checked('HTTP_PROXY', proxy.http),
    httpsProxy: checked('HTTPS_PROXY', proxy.https),
    noProxy: proxy.noProxy ?? '',
  });
}

function checked(variable: string, proxy = ''): string {
  if (proxy === '') return '';
  // A bare host and port is what many have there.
  const url = proxy.includes('://') ? proxy : `http://${proxy}`;
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url;
  throw new UsageError(variable, `environment variable ${variable}: expected the http or https URL of a proxy`);
}
