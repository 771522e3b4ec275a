/** Whether the kernel or the peer holds up what a server sends. */

/** What grpc-js has behind a call of a server, down to the socket's own handle. */
interface InnerCall {
  readonly call?: {
    readonly stream?: {
      readonly session?: { readonly socket?: { readonly _handle?: { readonly writeQueueSize?: number } } };
    };
  };
}

/**
 * Bytes that a call's connection has given to the kernel and that it has not taken: more than 0 while the network is the slower
 * part, 0 while HTTP/2's window is what holds the call up. Undefined when that cannot be known: it is read from what grpc-js and
 * Node keep to themselves.
 */
export function sendBacklogBytes(call: object): number | undefined {
  try {
    return (call as InnerCall).call?.stream?.session?.socket?._handle?.writeQueueSize;
  } catch {
    // The session lets go of its socket when it is closed.
    return undefined;
  }
}
