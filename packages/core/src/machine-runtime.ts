import type { Timer } from './clock.js';
import { FoundationError, invalidOption } from './errors.js';
import { formatReason, toExitReason } from './exit-reason.js';
import { failure } from './failure.js';
import { MachineActorContext } from './machine-actor-context.js';
import type { Answer } from './pending-call.js';
import { type Process, RUN } from './process.js';
import { noReply } from './types.js';

/** A handler of a machine as the runtime sees it. */
export type MachineHandlerLike = (data: unknown, payload: unknown, m: MachineActorContext) => unknown;

/** What a state, or the machine in any state, handles. */
export interface EventHandlers {
  readonly enter: MachineHandlerLike | undefined;
  readonly call: ReadonlyMap<string, MachineHandlerLike>;
  readonly cast: ReadonlyMap<string, MachineHandlerLike>;
  readonly internal: ReadonlyMap<string, MachineHandlerLike>;
  readonly down: MachineHandlerLike | undefined;
  readonly exit: MachineHandlerLike | undefined;
}

type EventKind = 'call' | 'cast' | 'internal' | 'down' | 'exit';

interface MachineEvent {
  readonly kind: EventKind;
  readonly op: string;
  readonly payload: unknown;
  /** Who waits for the answer of a call. */
  readonly from: Answer | undefined;
}

interface TimeoutRequest {
  readonly ms: number;
  readonly event: string;
  readonly payload: unknown;
}

/** A time-out that runs, or is due; the record is its identity. */
interface RunningTimeout {
  readonly event: string;
  readonly payload: unknown;
  timer: Timer | undefined;
}

/** What the handlers of one event have asked for. */
interface Transition {
  phase: 'init' | 'event' | 'enter';
  readonly event: MachineEvent | undefined;
  next: string | undefined;
  repeat: boolean;
  postpone: boolean;
  readonly inserted: MachineEvent[];
  /** In the order in which they were asked for, the last of a kind; undefined cancels. */
  readonly timeouts: Map<string, TimeoutRequest | undefined>;
}

/** Keys of time-outs; no event's key has these, for those start with a colon. */
const STATE_TIMEOUT = 'state';
const EVENT_TIMEOUT = 'event';

/** Steps of work that may be asynchronous: what is yielded is awaited, synchronously when it is no promise. */
type Steps = Generator<PromiseLike<unknown>, void, unknown>;

/** One machine at run time: the loop of OTP's `gen_statem`. */
export class MachineRuntime {
  readonly process: Process;
  readonly context: MachineActorContext;
  state: string | undefined = undefined;
  data: unknown = undefined;
  readonly #states: ReadonlyMap<string, EventHandlers>;
  readonly #common: EventHandlers;
  /** Events to be handled before the mailbox, inserted ones and those that are tried again: the next is the last. */
  readonly #stack: MachineEvent[] = [];
  #postponed: MachineEvent[] = [];
  readonly #timeouts = new Map<string, RunningTimeout>();
  /** Keys of time-outs of 0 that are due when no event is left. */
  readonly #due: string[] = [];
  #transition: Transition | undefined = undefined;
  /** Tells the senders of events that were put off, when the process ends before they are handled. */
  readonly #onEnd = { cancel: (): void => this.#bounce() };

  constructor(process: Process, states: ReadonlyMap<string, EventHandlers>, common: EventHandlers) {
    this.process = process;
    this.#states = states;
    this.#common = common;
    this.context = new MachineActorContext(process, this);
  }

  /** Runs `init`, and has the first state entered before any message is handled. */
  begin(init: (m: MachineActorContext) => unknown): this | Promise<this> {
    const transition = newTransition('init', undefined);
    this.process.enqueueSignal(RUN, () => drive(this.#enterFirst(transition)));
    this.#transition = transition;
    const started = (result: unknown): this => {
      this.#transition = undefined;
      const { state, data } = result as { readonly state: string; readonly data: unknown };
      this.checkState(state);
      this.state = state;
      this.data = data;
      return this;
    };
    const result = init(this.context);
    return isThenable(result) ? Promise.resolve(result).then(started) : started(result);
  }

  /** A message, a down or an exit. Answers are given by the context. */
  receive(kind: EventKind, op: string, payload: unknown): unknown {
    const from = kind === 'call' ? this.process.from : undefined;
    return this.#run({ kind, op, payload, from });
  }

  // --- what handlers ask for ------------------------------------------------------------------------------------

  /** @throws FoundationError `invalid-operation` when no handler runs, or one that may not do this */
  asking(what: string, phases: readonly Transition['phase'][]): Transition {
    const transition = this.#transition;
    if (transition !== undefined && phases.includes(transition.phase)) return transition;
    const where = transition === undefined ? 'outside a handler' : `in ${transition.phase}`;
    throw new FoundationError('invalid-operation', `m.${what}() is not allowed ${where} of ${this.process}.`);
  }

  /** Who waits for the answer of the event that is handled. */
  get from(): Answer | undefined {
    const transition = this.#transition;
    return transition?.phase === 'event' ? transition.event?.from : undefined;
  }

  checkState(state: unknown): void {
    if (typeof state === 'string' && this.#states.has(state)) return;
    throw invalidOption('state', state, [...this.#states.keys()].join(', '));
  }

  next(state: string): void {
    const transition = this.asking('next', ['event']);
    this.checkState(state);
    transition.next = state;
  }

  repeat(): void {
    this.asking('repeat', ['event', 'enter']).repeat = true;
  }

  postpone(): typeof noReply {
    this.asking('postpone', ['event']).postpone = true;
    return noReply;
  }

  insert(event: string, payload: unknown): void {
    const transition = this.asking('nextEvent', ['init', 'event']);
    transition.inserted.push({ kind: 'internal', op: event, payload, from: undefined });
  }

  setTimeout(what: 'stateTimeout' | 'eventTimeout' | 'timeout', ms: number, event: string, payload: unknown): void {
    const transition = this.asking(what, ['init', 'event', 'enter']);
    if (typeof ms !== 'number' || !(ms >= 0)) throw invalidOption('ms', ms, 'milliseconds, 0 or more, or Infinity');
    const key = what === 'timeout' ? `:${event}` : what === 'stateTimeout' ? STATE_TIMEOUT : EVENT_TIMEOUT;
    transition.timeouts.delete(key);
    transition.timeouts.set(key, ms === Number.POSITIVE_INFINITY ? undefined : { ms, event, payload });
  }

  cancelTimeout(event: string | undefined): void {
    const transition = this.asking('cancelTimeout', ['init', 'event', 'enter']);
    transition.timeouts.set(event === undefined ? STATE_TIMEOUT : `:${event}`, undefined);
  }

  // --- the loop -------------------------------------------------------------------------------------------------

  get #running(): boolean {
    return this.process.status === 'running' && this.process.exitReason === undefined;
  }

  #run(event: MachineEvent): unknown {
    return drive(this.#handleAll(event));
  }

  *#enterFirst(transition: Transition): Steps {
    yield* this.#enter(transition, this.state as string);
    if (!this.#running) return;
    this.#apply(transition, false);
    yield* this.#drain();
  }

  *#handleAll(event: MachineEvent): Steps {
    yield* this.#handle(event);
    yield* this.#drain();
  }

  /** Handles what comes before the mailbox. */
  *#drain(): Steps {
    while (this.#running) {
      const event = this.#stack.pop() ?? this.#takeDue();
      if (event === undefined) break;
      yield* this.#handle(event);
    }
    if (this.#stack.length === 0 && this.#postponed.length === 0) this.process.timers?.delete(this.#onEnd);
  }

  *#handle(event: MachineEvent): Steps {
    const transition = newTransition('event', event);
    this.#transition = transition;
    try {
      const handler = this.#handlerOf(event);
      if (handler === undefined) {
        this.#unhandled(event);
      } else {
        let reply = handler(this.data, event.payload, this.context);
        if (isThenable(reply)) reply = yield reply;
        if (event.from !== undefined && !transition.postpone && reply !== noReply) {
          this.process.replyLater(event.from, reply);
        }
      }
    } catch (error) {
      if (event.from !== undefined) this.#failCall(event.from, error);
      throw error;
    } finally {
      this.#transition = undefined;
    }
    if (transition.postpone && this.process.alive) {
      this.#postponed.push(event);
      this.#mindEnd();
    }
    if (!this.#running) return;
    const previous = this.state as string;
    const changed = transition.next !== undefined && transition.next !== previous;
    if (changed) this.state = transition.next;
    if (changed || transition.repeat) yield* this.#enter(transition, previous);
    if (this.#running) this.#apply(transition, changed);
  }

  *#enter(transition: Transition, from: string): Steps {
    let previous = from;
    transition.phase = 'enter';
    do {
      transition.repeat = false;
      this.#transition = transition;
      try {
        const result = this.#states.get(this.state as string)?.enter?.(this.data, previous, this.context);
        if (isThenable(result)) yield result;
      } finally {
        this.#transition = undefined;
      }
      previous = this.state as string;
    } while (transition.repeat && this.#running);
  }

  /** The order of OTP: cancel, try again what was postponed, insert, and start time-outs. */
  #apply(transition: Transition, changed: boolean): void {
    this.#cancel(EVENT_TIMEOUT);
    if (changed) {
      this.#cancel(STATE_TIMEOUT);
      if (this.#postponed.length > 0) {
        this.#putFirst(this.#postponed);
        this.#postponed = [];
      }
    }
    this.#putFirst(transition.inserted);
    for (const [key, request] of transition.timeouts) {
      this.#cancel(key);
      if (request !== undefined) this.#start(key, request);
    }
  }

  #putFirst(events: readonly MachineEvent[]): void {
    for (let index = events.length - 1; index >= 0; index--) this.#stack.push(events[index] as MachineEvent);
  }

  #handlerOf({ kind, op }: MachineEvent): MachineHandlerLike | undefined {
    const state = this.#states.get(this.state as string);
    if (kind === 'down' || kind === 'exit') return state?.[kind] ?? this.#common[kind];
    return state?.[kind].get(op) ?? this.#common[kind].get(op);
  }

  /** An event of others is their error; one of its own is the machine's. */
  #unhandled({ kind, op, payload, from }: MachineEvent): void {
    if (kind === 'down' || kind === 'exit') return;
    const error = new FoundationError(
      'invalid-operation',
      `${this.process} does not handle the ${kind} event '${op}' in its state '${this.state}'.`,
      { details: { op, state: this.state } },
    );
    if (kind === 'internal') throw error;
    if (from !== undefined) {
      this.process.replyLater(from, failure(error));
      return;
    }
    const { system } = this.process;
    system.log.warn({ actor: this.process.toString() }, error.message);
    system.deadLetters.add({ to: this.process.toString(), op, payload, reason: 'invalid-operation' });
  }

  #failCall(from: Answer, thrown: unknown): void {
    const reason = formatReason(toExitReason(thrown));
    const message = `The handler of a call in ${this.process} failed: ${reason}`;
    from.fail(new FoundationError('handler-failed', message, { cause: thrown }));
  }

  // --- time-outs ------------------------------------------------------------------------------------------------

  #start(key: string, { ms, event, payload }: TimeoutRequest): void {
    const running: RunningTimeout = { event, payload, timer: undefined };
    if (ms === 0) {
      this.#due.push(key);
    } else {
      const timer = this.process.system.clock.setTimeout(() => {
        this.process.timers?.delete(timer);
        this.process.enqueueSignal(RUN, () => this.#fire(key, running));
      }, ms);
      running.timer = timer;
      this.process.timers ??= new Set();
      this.process.timers.add(timer);
    }
    this.#timeouts.set(key, running);
  }

  #cancel(key: string): void {
    const running = this.#timeouts.get(key);
    if (running === undefined) return;
    this.#timeouts.delete(key);
    if (running.timer === undefined) {
      this.#due.splice(this.#due.indexOf(key), 1);
    } else {
      running.timer.cancel();
      this.process.timers?.delete(running.timer);
    }
  }

  /** Cancelled after its time was up: it does not happen. */
  #fire(key: string, running: RunningTimeout): unknown {
    if (this.#timeouts.get(key) !== running) return undefined;
    this.#timeouts.delete(key);
    return this.#run({ kind: 'internal', op: running.event, payload: running.payload, from: undefined });
  }

  #takeDue(): MachineEvent | undefined {
    const key = this.#due.shift();
    if (key === undefined) return undefined;
    const { event, payload } = this.#timeouts.get(key) as RunningTimeout;
    this.#timeouts.delete(key);
    return { kind: 'internal', op: event, payload, from: undefined };
  }

  // --- the end --------------------------------------------------------------------------------------------------

  #mindEnd(): void {
    this.process.timers ??= new Set();
    this.process.timers.add(this.#onEnd);
  }

  #bounce(): void {
    const events = [...this.#stack.reverse(), ...this.#postponed];
    this.#stack.length = 0;
    this.#postponed = [];
    for (const { kind, op, payload, from } of events) {
      if (kind === 'call') from?.fail(this.process.notAlive(op));
      else if (kind === 'cast') {
        this.process.system.deadLetters.add({ to: this.process.toString(), op, payload, reason: 'noproc' });
      }
    }
  }
}

function newTransition(phase: Transition['phase'], event: MachineEvent | undefined): Transition {
  return { phase, event, next: undefined, repeat: false, postpone: false, inserted: [], timeouts: new Map() };
}

/** Runs steps: synchronously as long as nothing is awaited. Gives `noReply`, for answers were given on the way. */
function drive(steps: Steps): unknown {
  const step = steps.next();
  return step.done === true ? noReply : driveLater(steps, step.value);
}

async function driveLater(steps: Steps, first: PromiseLike<unknown>): Promise<typeof noReply> {
  let waiting = first;
  for (;;) {
    const step = await Promise.resolve(waiting).then(
      value => steps.next(value),
      error => steps.throw(error),
    );
    if (step.done === true) return noReply;
    waiting = step.value;
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return value !== null && typeof value === 'object' && typeof (value as { then?: unknown }).then === 'function';
}
