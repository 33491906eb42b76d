import type { AutoShutdown, Random, Restart, Strategy } from '@foundation-ts/core';

/** A worker of a tree. One that hangs never comes back from its `terminate`, so that only a kill ends it. */
export interface WorkerNode {
  readonly kind: 'worker';
  readonly id: string;
  readonly restart: Restart;
  readonly significant: boolean;
  readonly shutdown: number | 'brutal_kill';
  readonly traps: boolean;
  readonly hangs: boolean;
}

export interface StaticNode {
  readonly kind: 'static';
  readonly id: string;
  readonly restart: Restart;
  readonly significant: boolean;
  readonly shutdown: 'infinity' | 'brutal_kill';
  readonly strategy: Strategy;
  readonly intensity: number;
  readonly autoShutdown: AutoShutdown;
  readonly children: readonly TreeNode[];
}

/** OTP's `simple_one_for_one`: all children are made from one template. */
export interface DynamicNode {
  readonly kind: 'dynamic';
  readonly id: string;
  readonly restart: Restart;
  readonly significant: boolean;
  readonly shutdown: 'infinity' | 'brutal_kill';
  readonly intensity: number;
  readonly autoShutdown: AutoShutdown;
  readonly template: WorkerNode;
}

/** What all supervisors have. */
type Common = Pick<DynamicNode, 'restart' | 'significant' | 'shutdown' | 'intensity' | 'autoShutdown'>;

export type TreeNode = WorkerNode | StaticNode | DynamicNode;

export const endings = ['normal', 'shutdown', 'shutdown-term', 'error'] as const;

/** What is done to a tree. */
export type Fault =
  | { readonly do: 'kill'; readonly id: string }
  | { readonly do: 'exit'; readonly id: string; readonly reason: (typeof endings)[number] }
  | { readonly do: 'terminate' | 'restart' | 'delete'; readonly supervisor: string; readonly id: string }
  | { readonly do: 'start'; readonly supervisor: string; readonly node: TreeNode }
  | { readonly do: 'start_dynamic' | 'terminate_dynamic'; readonly supervisor: string; readonly id: string };

/** How often which child will fail to start. */
export type Failing = readonly (readonly [id: string, times: number])[];

/** One step of a script: what happens, then everything comes to rest. */
export type Step =
  | { readonly step: 'start'; readonly failing: Failing; readonly node: StaticNode }
  | { readonly step: 'fault'; readonly failing: Failing; readonly fault: Fault }
  | { readonly step: 'finish' };

// --- at random ----------------------------------------------------------------------------------------------------

/** Makes trees and faults from a seed. */
export class Generator {
  readonly #random: Random;
  #ids = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  chance(share: number): boolean {
    return this.#random.next() < share;
  }

  below(limit: number): number {
    return Math.floor(this.#random.next() * limit);
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }

  id(prefix: string): string {
    return `${prefix}${++this.#ids}`;
  }

  /** One that lasts for a while. */
  root(): StaticNode {
    const common = { ...this.#supervisor('never'), intensity: this.pick([2, 5, 8]) };
    const autoShutdown = this.chance(0.7) ? 'never' : common.autoShutdown;
    return this.#static({ ...common, autoShutdown }, 3, 2);
  }

  /** @param depth - how many levels of supervisors there may be, itself included */
  node(parent: AutoShutdown, depth: number): TreeNode {
    if (depth > 0 && this.chance(0.35))
      return this.chance(0.3) ? this.#dynamic(parent) : this.#static(this.#supervisor(parent), depth, 0);
    return this.worker(parent);
  }

  worker(parent: AutoShutdown): WorkerNode {
    const traps = this.chance(0.4);
    const hangs = traps && this.chance(0.12);
    return {
      kind: 'worker',
      id: this.id('w'),
      ...this.#common(parent),
      shutdown: this.chance(0.2) ? 'brutal_kill' : hangs ? 10 : 5_000,
      traps,
      hangs,
    };
  }

  #common(parent: AutoShutdown): { restart: Restart; significant: boolean } {
    const restart = this.pick(['permanent', 'permanent', 'transient', 'temporary'] as const);
    return { restart, significant: parent !== 'never' && restart !== 'permanent' && this.chance(0.7) };
  }

  #supervisor(parent: AutoShutdown): Common {
    return {
      ...this.#common(parent),
      shutdown: this.chance(0.15) ? 'brutal_kill' : 'infinity',
      intensity: this.pick([0, 1, 1, 2, 3, 5]),
      autoShutdown: this.pick(['never', 'never', 'any_significant', 'all_significant'] as const),
    };
  }

  #static(common: Common, depth: number, fewest: number): StaticNode {
    return {
      kind: 'static',
      id: this.id('s'),
      ...common,
      strategy: this.pick(['one_for_one', 'one_for_all', 'rest_for_one'] as const),
      children: Array.from({ length: fewest + this.below(5) }, () => this.node(common.autoShutdown, depth - 1)),
    };
  }

  #dynamic(parent: AutoShutdown): DynamicNode {
    const common = this.#supervisor(parent);
    const id = this.id('d');
    return { kind: 'dynamic', id, ...common, template: { ...this.worker(common.autoShutdown), id } };
  }
}

// --- as Erlang terms ----------------------------------------------------------------------------------------------

/** The step as the line that `oracle.erl` reads. */
export function lineOf(step: Step): string {
  if (step.step === 'finish') return 'finish.';
  const what = step.step === 'start' ? nodeTerm(step.node) : faultTerm(step.fault);
  const failing = step.failing.map(([id, times]) => `{${atom(id)}, ${times}}`);
  return `{${step.step}, [${failing.join(', ')}], ${what}}.`;
}

function faultTerm(fault: Fault): string {
  switch (fault.do) {
    case 'kill':
      return tuple('kill', atom(fault.id));
    case 'exit':
      return tuple(
        'exit',
        atom(fault.id),
        { normal: 'normal', shutdown: 'shutdown', 'shutdown-term': '{shutdown, x}', error: 'boom' }[fault.reason],
      );
    case 'start':
      return tuple('start', atom(fault.supervisor), nodeTerm(fault.node));
    default:
      return tuple(fault.do, atom(fault.supervisor), atom(fault.id));
  }
}

function nodeTerm(node: TreeNode): string {
  const common = [node.kind, atom(node.id), node.restart, `${node.significant}`, `${node.shutdown}`];
  switch (node.kind) {
    case 'worker':
      return tuple(...common, `${node.traps}`, `${node.hangs}`);
    case 'static':
      return tuple(
        ...common,
        node.strategy,
        `${node.intensity}`,
        node.autoShutdown,
        `[${node.children.map(nodeTerm).join(', ')}]`,
      );
    case 'dynamic':
      return tuple(...common, `${node.intensity}`, node.autoShutdown, nodeTerm(node.template));
  }
}

function tuple(...terms: readonly string[]): string {
  return `{${terms.join(', ')}}`;
}

function atom(text: string): string {
  return `'${text}'`;
}
