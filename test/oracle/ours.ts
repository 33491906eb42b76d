import {
  ActorSystem,
  actor,
  type ChildSpec,
  type Context,
  type Definition,
  defineProgram,
  dynamicSupervisor,
  type ExitReason,
  type FoundationError,
  isFoundationError,
  type Process,
  type Ref,
  type Start,
  silentLog,
  supervisor,
} from '@foundation-ts/core';
import { SimulatedClock } from '@foundation-ts/testing';
import type { Outcome, TraceEvent } from './outcome.js';
import type { Fault, Step, TreeNode, WorkerNode } from './script.js';

/** Milliseconds in which everything comes to rest, in simulated time. */
const REST = 2_000;
/** OTP's period, in our unit. */
const WITHIN = 3_600_000;

interface Instance {
  readonly id: string;
  readonly kind: TreeNode['kind'];
  readonly group: string;
  readonly own: string;
}

type Calls = Ref & { call(op: string, payload: unknown): Promise<unknown> };

/** Runs a script on our supervisors, and writes down what `oracle.erl` writes down. */
export class OurRun {
  readonly system: ActorSystem;
  readonly #clock = new SimulatedClock();
  readonly #events: TraceEvent[] = [];
  readonly #failing = new Map<string, number>();
  readonly #live = new Map<Process, Instance>();
  readonly #newest = new Map<string, Process>();
  readonly #instances = new Map<string, number>();
  readonly #templates = new Map<string, WorkerNode>();
  #root: Process | undefined = undefined;

  constructor() {
    this.system = new ActorSystem({ clock: this.#clock, log: silentLog });
  }

  /** Whether the newest actor of that id lives. */
  alive(id: string): boolean {
    return this.#newest.get(id)?.alive === true;
  }

  async perform(step: Step): Promise<Outcome> {
    if (step.step !== 'finish') for (const [id, times] of step.failing) this.#failing.set(id, times);
    const working = this.#do(step);
    await this.#clock.advance(REST);
    const reply = await working;
    const events = this.#events.splice(0);
    const trees = new Map<string, readonly string[]>();
    for (const [process, { kind, own }] of this.#live) {
      if (kind !== 'worker') trees.set(own, await this.#children(process));
    }
    return { reply, events, trees };
  }

  async #do(step: Step): Promise<string> {
    if (step.step === 'fault') return this.#fault(step.fault);
    if (step.step === 'start') {
      try {
        const process = this.system.launch(this.#spec(step.node).start);
        await this.system.started(process);
        return 'ok';
      } catch {
        return 'failed';
      }
    }
    if (this.#root?.alive === true) await this.system.shutdownProcess(this.#root, Number.POSITIVE_INFINITY);
    return 'ok';
  }

  async #fault(fault: Fault): Promise<string> {
    const process = this.#newest.get('supervisor' in fault ? fault.supervisor : fault.id);
    if (process === undefined) return 'gone';
    switch (fault.do) {
      case 'kill':
        this.system.exit(process.pid, 'kill');
        return 'ok';
      case 'exit':
        if (process.alive) process.enqueueCast('end', fault.reason);
        return 'ok';
      case 'start':
        return this.#call(process, 'startChild', this.#spec(fault.node));
      case 'start_dynamic': {
        const template = this.#templates.get(fault.supervisor) as WorkerNode;
        return this.#call(process, 'startChild', this.#spec({ ...template, id: fault.id }));
      }
      case 'terminate_dynamic': {
        const child = this.#newest.get(fault.id);
        return child === undefined ? 'gone' : this.#call(process, 'terminateChild', child.pid);
      }
      default:
        return this.#call(process, `${fault.do}Child`, fault.id);
    }
  }

  async #call(process: Process, op: string, payload: unknown): Promise<string> {
    const ref = this.system.refTo(process).with({ timeout: Number.POSITIVE_INFINITY }) as unknown as Calls;
    try {
      await ref.call(op, payload);
      return 'ok';
    } catch (error) {
      if (!isFoundationError(error)) throw error;
      return replyOf(error, op);
    }
  }

  async #children(process: Process): Promise<string[]> {
    const ref = this.system.refTo(process) as unknown as Calls;
    const infos = (await ref.call('whichChildren', undefined)) as { id: string; status: string }[];
    return infos.map(({ id, status }) => `${id}:${status}`);
  }

  // --- trees --------------------------------------------------------------------------------------------------------

  /** By hand, not by `child()`: what is wrong in it is for the supervisor to find. */
  #spec(node: TreeNode): ChildSpec {
    const { id, restart, significant } = node;
    const shutdown = node.shutdown === 'infinity' ? Number.POSITIVE_INFINITY : node.shutdown;
    return { id, start: this.#start(node), restart, shutdown, significant };
  }

  #start(node: TreeNode): Start {
    if (node.kind === 'worker') return this.#worker(node)(node);
    const { intensity: maxRestarts, autoShutdown } = node;
    const options = { maxRestarts, within: WITHIN, autoShutdown };
    if (node.kind === 'dynamic') this.#templates.set(node.id, node.template);
    const { definition, argument }: Start =
      node.kind === 'dynamic'
        ? dynamicSupervisor(options)
        : supervisor({ ...options, strategy: node.strategy, children: node.children.map(each => this.#spec(each)) });
    const { program } = definition;
    const observed = defineProgram({
      ...program,
      init: (given, ctx) => {
        this.#started(node, ctx);
        return program.init(given, ctx);
      },
    });
    return { definition: observed, argument };
  }

  #worker({ traps, hangs }: WorkerNode): Definition<WorkerNode, unknown, unknown> {
    return actor({
      name: 'worker',
      trapExit: traps,
      init: (node: WorkerNode, ctx) => {
        const left = this.#failing.get(node.id) ?? 0;
        if (left > 0) {
          this.#failing.set(node.id, left - 1);
          this.#note(this.#groupOf(ctx), 'fail', node.id, '-');
          throw new Error('refused');
        }
        this.#started(node, ctx);
        return {};
      },
      casts: {
        end: (_state, reason: string, ctx) => {
          if (reason === 'error') throw new Error('boom');
          ctx.stop(reason === 'shutdown-term' ? { shutdown: 'x' } : (reason as ExitReason));
        },
      },
      ...(hangs && { terminate: () => new Promise<never>(() => {}) }),
    }) as Definition<WorkerNode, unknown, unknown>;
  }

  #process(ctx: Context<unknown>): Process {
    return this.system.process(ctx.pid) as Process;
  }

  #groupOf(ctx: Context<unknown>): string {
    const { parent } = this.#process(ctx);
    if (parent === undefined) return 'top';
    for (const [process, { own }] of this.#live) if (process.pid.equals(parent)) return own;
    throw new Error(`${parent} is nobody's parent`);
  }

  #started({ id, kind }: TreeNode, ctx: Context<unknown>): void {
    const process = this.#process(ctx);
    const group = this.#groupOf(ctx);
    const number = (this.#instances.get(id) ?? 0) + 1;
    this.#instances.set(id, number);
    const instance: Instance = { id, kind, group, own: `${id}#${number}` };
    this.#live.set(process, instance);
    this.#newest.set(id, process);
    if (group === 'top') this.#root = process;
    this.#note(group, 'start', id, '-');
    this.system.watch(process.pid, reason => this.#ended(process, instance, reasonText(reason)));
  }

  #ended(process: Process, { id, kind, group, own }: Instance, reason: string): void {
    this.#live.delete(process);
    this.#note(group, 'stop', id, reason);
    if (kind !== 'worker') this.#note(own, 'end', id, reason);
  }

  #note(group: string, kind: TraceEvent['kind'], id: string, reason: string): void {
    this.#events.push({ group, kind, id, reason });
  }
}

function reasonText(reason: ExitReason): string {
  if (typeof reason === 'string') return reason;
  if (!(reason instanceof Error)) return 'shutdown-term';
  return isFoundationError(reason, 'start-failed') ? 'start-failed' : 'error';
}

function replyOf(error: FoundationError, op: string): string {
  switch (error.code) {
    case 'already-started':
      if (op === 'restartChild') return 'running';
      return error.details?.pid === undefined ? 'already-present' : 'already-started';
    case 'invalid-operation':
      return 'running';
    case 'not-found':
      return 'not-found';
    case 'start-failed':
      return 'failed';
    case 'invalid-option':
      return 'invalid';
    case 'noproc':
    case 'unknown-outcome':
      return 'gone';
    default:
      return error.code;
  }
}
