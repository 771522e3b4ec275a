/** Lets calls through that carry a token. Around the handlers, not an interceptor of grpc-js: behind one a call could not take its messages pre-framed. */
import type {
  Metadata,
  sendUnaryData,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
  UntypedHandleCall,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Logger } from '../platform/logger.js';
import { serviceErrorOf } from './grpc-status.js';
import type { TokenHolder, TokenHolders } from './token-holder.js';

type AnyCall = ServerUnaryCall<unknown, unknown> | ServerWritableStream<unknown, unknown>;
type AnyHandler = (call: AnyCall, callback?: sendUnaryData<unknown>) => void;

/** Answers in a stream too, briefly. */
const REFLECTION = '/grpc.reflection.';

const holderByCall = new WeakMap<object, TokenHolder>();

/** Who makes a call; undefined where the server asks for no token. */
export function holderOf(call: { readonly metadata: Metadata }): TokenHolder | undefined {
  return holderByCall.get(call);
}

/**
 * The implementation, each handler behind a check: UNAUTHENTICATED without the token of one of `holders`, RESOURCE_EXHAUSTED when it has
 * no stream left. A call is counted while what it answers is a stream, but not one of reflection. A handler of a stream ends it
 * itself when its holder is revoked.
 */
export function guard(
  holders: TokenHolders,
  definition: ServiceDefinition,
  implementation: UntypedServiceImplementation,
  log: Logger,
): UntypedServiceImplementation {
  const guarded = Object.entries(implementation).map(([name, handler]): [string, UntypedHandleCall] => {
    // The name in the implementation is the method's in the definition, or what the proto file calls it.
    const method = Object.entries(definition).find(
      ([key, { originalName }]) => name === key || name === originalName,
    )?.[1];
    const isStream = method?.responseStream === true && !method.path.startsWith(REFLECTION);
    const guardedHandler: AnyHandler = (call, callback) => {
      try {
        const holder = holders.find(call.metadata);
        holderByCall.set(call, holder);
        if (isStream) call.once('close', holder.enterStream());
      } catch (error) {
        log.warn({ err: error, peer: call.getPeer(), method: name }, 'call refused');
        if (callback === undefined) call.emit('error', serviceErrorOf(error));
        else callback(serviceErrorOf(error));
        return;
      }
      (handler as AnyHandler)(call, callback);
    };
    return [name, guardedHandler as UntypedHandleCall];
  });
  return Object.fromEntries(guarded);
}
