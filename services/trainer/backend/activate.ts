import { messageOf, MillraceError } from '../../../lib/core/errors.js';
import type { Tf } from './tf.js';

/** An error that names the backend, why it cannot be had, and what to do about that. */
export function backendError(name: string, reason: string, remedy: string, cause?: unknown): MillraceError {
  return new MillraceError('ERR_BACKEND', `backend ${name}: ${reason}; ${remedy}, or choose another --backend`, {
    cause,
    context: { backend: name },
  });
}

/**
 * Makes a registered backend the one that computes. tfjs only says "false" when a backend cannot start, and computes with another
 * one from then on; here that is an error. Throws ERR_BACKEND.
 */
export async function activateBackend(tf: Pick<Tf, 'setBackend' | 'getBackend'>, name: string): Promise<void> {
  let reason = 'tfjs does not say why it cannot start';
  let cause: unknown;
  try {
    if ((await tf.setBackend(name)) && tf.getBackend() === name) return;
  } catch (error) {
    cause = error;
    reason = messageOf(error);
  }
  throw backendError(name, reason, 'mend that', cause);
}
