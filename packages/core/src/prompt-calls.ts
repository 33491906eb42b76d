import { toExitReason } from './exit-reason.js';
import { Fifo } from './fifo.js';
import type { PendingCall } from './pending-call.js';
import type { Process } from './process.js';
import type { Scheduler } from './scheduler.js';

const resolved = Promise.resolve();

/**
 * Calls to actors that are likely to have answered by the next microtask. Their promise is what follows from one that is
 * resolved already: that takes no closures to settle it, and its microtask lets the scheduler run first, which thus needs none
 * of its own.
 */
export class PromptCalls {
  readonly #scheduler: Scheduler;
  /** In the order of their microtasks. */
  readonly #calls = new Fifo<PendingCall>();
  readonly #take = (): unknown => {
    const call = this.#calls.shift();
    // Even when the call has been settled without having been handled: others count on this microtask.
    this.#scheduler.flush();
    return call.outcome();
  };

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** Puts `call` into the mailbox of `process`. @returns its promise */
  make(call: PendingCall, process: Process, payload: unknown): Promise<unknown> {
    this.#calls.push(call);
    const promise = resolved.then(this.#take);
    this.#scheduler.lend();
    try {
      process.enqueueCall(call.op, payload, call);
    } catch (error) {
      call.fail(toExitReason(error));
    }
    this.#scheduler.unlend();
    return promise;
  }
}
