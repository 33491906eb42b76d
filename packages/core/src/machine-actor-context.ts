import { ActorContext } from './context.js';
import { FoundationError } from './errors.js';
import type { MachineRuntime } from './machine-runtime.js';
import type { Answer } from './pending-call.js';
import type { Process } from './process.js';
import type { NoReply, ReplyTo } from './types.js';

/** The one implementation of `MachineContext`. */
export class MachineActorContext extends ActorContext {
  readonly #machine: MachineRuntime;

  constructor(process: Process, machine: MachineRuntime) {
    super(process);
    this.#machine = machine;
  }

  get state(): string {
    const { state } = this.#machine;
    if (state === undefined)
      throw new FoundationError('invalid-operation', 'm.state exists only once init is through.');
    return state;
  }

  override get signal(): AbortSignal {
    return this.process.context.signal;
  }

  override get from(): ReplyTo {
    const { from } = this.#machine;
    if (from === undefined)
      throw new FoundationError('invalid-operation', 'm.from exists only while a call is handled.');
    return from as unknown as ReplyTo;
  }

  /** Not the call that the actor handles: a call that was postponed is tried again while another message is handled. */
  protected override get within(): Answer | undefined {
    return this.#machine.from;
  }

  override setState(data: unknown): void {
    this.setData(data);
  }

  setData(data: unknown): void {
    this.#machine.data = data;
  }

  next(state: string): void {
    this.#machine.next(state);
  }

  repeat(): void {
    this.#machine.repeat();
  }

  postpone(): NoReply {
    return this.#machine.postpone();
  }

  nextEvent(event: string, payload?: unknown): void {
    this.#machine.insert(event, payload);
  }

  stateTimeout(ms: number, event: string, payload?: unknown): void {
    this.#machine.setTimeout('stateTimeout', ms, event, payload);
  }

  eventTimeout(ms: number, event: string, payload?: unknown): void {
    this.#machine.setTimeout('eventTimeout', ms, event, payload);
  }

  timeout(ms: number, event: string, payload?: unknown): void {
    this.#machine.setTimeout('timeout', ms, event, payload);
  }

  cancelStateTimeout(): void {
    this.#machine.cancelTimeout(undefined);
  }

  cancelTimeout(event: string): void {
    this.#machine.cancelTimeout(event);
  }
}
