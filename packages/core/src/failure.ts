import { toExitReason } from './exit-reason.js';

/** Made by {@link failure}. */
export class Failure {
  readonly error: Error;

  constructor(error: Error) {
    this.error = error;
  }
}

/**
 * Returned by a call handler to reject its caller with `error` although nothing is wrong with the actor, which lives on
 * (a handler that throws crashes its actor).
 */
export function failure(error: Error): Failure {
  return new Failure(error);
}

/** Runs an operation whose failure is its caller's, not the actor's. */
export async function failing<T>(work: () => T | Promise<T>): Promise<T | Failure> {
  try {
    return await work();
  } catch (error) {
    return new Failure(toExitReason(error));
  }
}
