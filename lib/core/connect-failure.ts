/** What grpc-js says of a connection that it could not make, as a line for people. */

/** grpc-js's own sentence: what it tried last, when, and what its resolver noted. */
const NO_CONNECTION = /^No connection established\. Last error: (.*)\. Resolution note: .*$/s;
const TIME = /\s*\(\d{4}-\d\d-\d\dT[\d:.]+Z\)$/;
/** OpenSSL's error queue: thread, code, library, function, reason, file. */
const OPENSSL = /:SSL routines:[^:]*:([^:]+):/;

/** "cannot connect" and why, from the details of a call's status; any other details as they are. */
export function describeConnectFailure(details: string): string {
  const lastError = NO_CONNECTION.exec(details)?.[1];
  if (lastError === undefined) return details;
  const reason = lastError.replace(TIME, '').replace(/^Error: /, '');
  const tlsReason = OPENSSL.exec(reason)?.[1];
  if (tlsReason !== undefined) return `cannot connect: TLS: ${tlsReason}`;
  // All that it says of a server that hangs up at once, as one with TLS does when it is greeted without.
  if (reason === 'Failed to connect') return 'cannot connect: the server hung up; one of both may want TLS';
  return `cannot connect: ${reason.replace(/^connect (E[A-Z]+) .*$/, '$1')}`;
}
