/** Which addresses never leave this machine. */

const LOOPBACK_HOST = /^(127\.\d+\.\d+\.\d+|localhost|::1)$/;

/** Whether a host name or address, without brackets, is this machine's own. */
export function isLoopbackHost(host: string): boolean {
  return LOOPBACK_HOST.test(host);
}

/** The same for what a client dials: `host:port`, where an IPv6 address has brackets, or `unix:` and a path. */
export function isLoopbackAddress(address: string): boolean {
  if (address.startsWith('unix:')) return true;
  const host = /^(.*):\d+$/.exec(address)?.[1] ?? '';
  return isLoopbackHost(host.replace(/^\[(.*)\]$/, '$1'));
}
