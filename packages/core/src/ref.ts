import { CALL_TIMEOUT } from './defaults.js';
import { FoundationError, invalidOption, isFoundationError } from './errors.js';
import { RemoteName } from './gateway.js';
import { type Answer, PendingCall } from './pending-call.js';
import { Pid } from './pid.js';
import { Process } from './process.js';
import type { ActorSystem } from './system.js';
import type { CallOptions, SendOptions } from './types.js';

/** What a message can be addressed to. */
export type Target = Process | Pid | RemoteName;

/** Looks a target up at each send: by name, or by the id of a child. */
export interface TargetResolver {
  /** Who it is now; undefined when nobody. */
  resolve(): Target | undefined;
  /** How it crosses to other nodes; undefined: as the pid that it resolves to when it is sent. */
  readonly portable?: { readonly scheme: string; readonly name: string };
  toString(): string;
}

const RETRY_MOVED_AFTER = 5;

/** The one implementation of `Ref`. */
export class ActorRef {
  readonly #system: ActorSystem;
  readonly #target: Target | undefined;
  readonly #resolver: TargetResolver | undefined;
  readonly #options: CallOptions | undefined;

  constructor(
    system: ActorSystem,
    target: Target | undefined,
    resolver: TargetResolver | undefined,
    options: CallOptions | undefined = undefined,
  ) {
    this.#system = system;
    this.#target = target;
    this.#resolver = resolver;
    this.#options = options;
  }

  get pid(): Pid {
    const target = this.#resolve();
    if (target instanceof Process) return target.pid;
    if (target instanceof Pid) return target;
    throw this.#unresolved('pid');
  }

  /** For codecs: how this ref crosses to another node. */
  get portable(): { readonly scheme: string; readonly name: string } | undefined {
    return this.#resolver?.portable;
  }

  /** For the runtime: the name on another node that it addresses. */
  get remoteName(): RemoteName | undefined {
    return this.#target instanceof RemoteName ? this.#target : undefined;
  }

  pointsTo(process: Process): boolean {
    const target = this.#resolve();
    return target === process || (target instanceof Pid && target.equals(process.pid));
  }

  /**
   * @param within - the call being handled, whose remaining time and abort bound this one
   * @param by - who calls, if that is known
   */
  call(op: string, payload?: unknown, options?: CallOptions, within?: Answer, by?: Process): Promise<unknown> {
    if (this.#resolver !== undefined) return this.#callResolved(op, payload, options, within, by);
    return this.#callOnce(this.#target as Target, op, payload, options, within, by);
  }

  /** @param by - as of {@link call} */
  cast(op: string, payload?: unknown, options?: SendOptions, by?: Process): void {
    const target = this.#target;
    if (target instanceof Process && target.alive) {
      const { copy } = this.#system;
      target.enqueueCast(op, copy === undefined ? payload : copy(payload));
      return;
    }
    const found = target ?? this.#resolve();
    if (found === undefined) {
      this.#system.deadLetters.add({ to: this.toString(), op, payload, reason: 'noproc' });
      return;
    }
    this.#system.cast(found, op, payload, options ?? this.#options, by);
  }

  /** @param within - as of {@link call}, and so `by` */
  offer(op: string, payload?: unknown, options?: CallOptions, within?: Answer, by?: Process): Promise<void> {
    const target = this.#resolve();
    if (target === undefined) return Promise.reject(this.#unresolved(op));
    const call = new PendingCall(this.#system, op, this);
    this.#start(call, options, within);
    if (!call.settled) this.#system.offer(target, op, payload, options ?? this.#options, call, by);
    return call.promise as Promise<void>;
  }

  with(options: CallOptions): ActorRef {
    return new ActorRef(this.#system, this.#target, this.#resolver, { ...this.#options, ...options });
  }

  toString(): string {
    return this.#resolver?.toString() ?? String(this.#target);
  }

  #callOnce(
    target: Target,
    op: string,
    payload: unknown,
    options: CallOptions | undefined,
    within: Answer | undefined,
    by: Process | undefined,
  ): Promise<unknown> {
    const call = new PendingCall(this.#system, op, this);
    if (target instanceof Process && within === undefined && target.prompt) {
      const timeout = options?.timeout ?? this.#options?.timeout ?? CALL_TIMEOUT;
      if (isTimeout(timeout) && (options?.signal ?? this.#options?.signal) === undefined) {
        call.expectWithin(timeout);
        return this.#system.promptCalls.make(call, target, payload);
      }
    }
    this.#start(call, options, within);
    if (!call.settled) this.#system.call(target, op, payload, options ?? this.#options, call, by);
    return call.promise;
  }

  /** An actor that has moved says so without having handled the call: look again, as long as there is time. */
  async #callResolved(
    op: string,
    payload: unknown,
    options: CallOptions | undefined,
    within: Answer | undefined,
    by: Process | undefined,
  ): Promise<unknown> {
    const { clock } = this.#system;
    let timeout = options?.timeout ?? this.#options?.timeout ?? CALL_TIMEOUT;
    const deadline = clock.now() + timeout;
    for (;;) {
      const target = this.#resolve();
      if (target === undefined) throw this.#unresolved(op);
      try {
        return await this.#callOnce(target, op, payload, { ...this.#options, ...options, timeout }, within, by);
      } catch (error) {
        if (!isFoundationError(error, 'moved') || clock.now() + RETRY_MOVED_AFTER >= deadline) throw error;
        await new Promise<void>(resolve => clock.setTimeout(resolve, RETRY_MOVED_AFTER));
        timeout = Math.max(0, deadline - clock.now());
      }
    }
  }

  #start(call: PendingCall, options: CallOptions | undefined, within: Answer | undefined): void {
    const timeout = options?.timeout ?? this.#options?.timeout ?? CALL_TIMEOUT;
    if (!isTimeout(timeout)) {
      call.fail(invalidOption('timeout', timeout, 'milliseconds, 0 or more, or Infinity'));
      return;
    }
    call.start(timeout, options?.signal ?? this.#options?.signal, within);
  }

  #resolve(): Target | undefined {
    return this.#resolver === undefined ? this.#target : this.#resolver.resolve();
  }

  #unresolved(op: string): FoundationError {
    return new FoundationError('noproc', `'${op}' was not sent: nobody is ${this} now.`);
  }
}

function isTimeout(timeout: unknown): timeout is number {
  return typeof timeout === 'number' && timeout >= 0;
}
