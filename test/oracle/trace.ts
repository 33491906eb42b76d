import { seededRandom } from '@foundation-ts/core';
import type { Erlang } from './erlang.js';
import { OurRun } from './ours.js';
import { normalised, type Outcome, parseOutcome } from './outcome.js';
import { endings, type Failing, type Fault, Generator, lineOf, type Step, type TreeNode } from './script.js';

/** Faults after the start of a tree. */
const FAULTS = 12;

/** A script and what came of it on our side. */
export interface Trace {
  readonly seed: number;
  readonly steps: readonly Step[];
  readonly ours: readonly Outcome[];
}

/** Where a trace differs from OTP's. */
export interface Difference {
  readonly seed: number;
  readonly index: number;
  readonly steps: readonly Step[];
  readonly ours: readonly string[];
  readonly theirs: readonly string[];
}

/** Makes a script from a seed while it runs on our supervisors, so that its faults mostly hit what lives. */
export async function ourTrace(seed: number): Promise<Trace> {
  const generator = new Generator(seededRandom(seed));
  const run = new OurRun();
  const cast = new Cast(generator, run);
  const root = generator.root();
  cast.add(root, undefined);
  const steps: Step[] = [{ step: 'start', failing: generator.chance(0.1) ? cast.failing() : [], node: root }];
  const ours = [await run.perform(steps[0] as Step)];
  while (steps.length <= FAULTS && run.alive(root.id)) {
    const step: Step = { step: 'fault', failing: generator.chance(0.3) ? cast.failing() : [], fault: cast.fault() };
    steps.push(step);
    ours.push(await run.perform(step));
  }
  steps.push({ step: 'finish' });
  ours.push(await run.perform({ step: 'finish' }));
  return { seed, steps, ours };
}

/** Runs the script of a trace on OTP. @returns where the two differ first */
export async function compare({ seed, steps, ours }: Trace, erlang: Erlang): Promise<Difference | undefined> {
  let difference: Difference | undefined;
  for (const [index, step] of steps.entries()) {
    const outcome = parseOutcome(await erlang.ask(lineOf(step)));
    const fault = step.step === 'fault' ? step.fault.do : '';
    const [left, right] = [normalised(ours[index] as Outcome, fault), normalised(outcome, fault)];
    if (difference === undefined && left.join('\n') !== right.join('\n'))
      difference = { seed, index, steps: steps.slice(0, index + 1), ours: left, theirs: right };
  }
  return difference;
}

/** A difference, for people. */
export function describeDifference({ seed, index, steps, ours, theirs }: Difference): string {
  const only = (these: readonly string[], those: readonly string[], mark: string): string[] =>
    these.map(line => `  ${those.includes(line) ? ' ' : mark} ${line}`);
  return [
    `seed ${seed}: step ${index} differs from OTP's`,
    ...steps.map((step, at) => `  ${at}. ${lineOf(step)}`),
    'ours:',
    ...only(ours, theirs, '-'),
    "OTP's:",
    ...only(theirs, ours, '+'),
  ].join('\n');
}

/** Everyone who plays in a script. */
class Cast {
  readonly #generator: Generator;
  readonly #run: OurRun;
  readonly #nodes: { readonly node: TreeNode; readonly supervisor: string | undefined }[] = [];

  constructor(generator: Generator, run: OurRun) {
    this.#generator = generator;
    this.#run = run;
  }

  add(node: TreeNode, supervisor: string | undefined): void {
    this.#nodes.push({ node, supervisor });
    if (node.kind === 'static') for (const child of node.children) this.add(child, node.id);
  }

  failing(): Failing {
    const workers = this.#nodes.filter(({ node }) => node.kind === 'worker');
    if (workers.length === 0) return [];
    return Array.from({ length: 1 + this.#generator.below(3) }, () => [
      this.#generator.pick(workers).node.id,
      1 + this.#generator.below(4),
    ]);
  }

  /** One of them, mostly one that lives. */
  #one(
    test: (node: TreeNode) => boolean,
  ): { readonly node: TreeNode; readonly supervisor: string | undefined } | undefined {
    const fit = this.#nodes.filter(({ node }) => test(node));
    const live = fit.filter(({ node }) => this.#run.alive(node.id));
    if (fit.length === 0) return undefined;
    return this.#generator.pick(live.length > 0 && this.#generator.chance(0.9) ? live : fit);
  }

  fault(): Fault {
    const generator = this.#generator;
    for (;;) {
      const dice = generator.below(100);
      if (dice < 20) {
        const worker = this.#one(node => node.kind === 'worker');
        if (worker !== undefined) return { do: 'kill', id: worker.node.id };
      } else if (dice < 45) {
        const worker = this.#one(node => node.kind === 'worker');
        if (worker !== undefined) return { do: 'exit', id: worker.node.id, reason: generator.pick(endings) };
      } else if (dice < 52) {
        const victim = this.#one(node => node.kind !== 'worker');
        // The root is spared most of the time: with it the trace ends.
        if (victim?.supervisor !== undefined || generator.chance(0.1))
          return { do: 'kill', id: (victim as { node: TreeNode }).node.id };
      } else if (dice < 75) {
        const found = this.#one(node => node.kind !== 'dynamic' || generator.chance(0.5));
        const owner = this.#nodes.find(({ node }) => node.id === found?.supervisor)?.node;
        if (found === undefined || owner?.kind !== 'static') continue;
        const id = generator.chance(0.05) ? 'nobody' : found.node.id;
        const wanted = this.#run.alive(found.node.id)
          ? 'terminate'
          : generator.pick(['restart', 'restart', 'delete'] as const);
        const done = generator.chance(0.85) ? wanted : generator.pick(['terminate', 'restart', 'delete'] as const);
        return { do: done, supervisor: owner.id, id };
      } else if (dice < 85) {
        const owner = this.#one(node => node.kind === 'static')?.node;
        if (owner?.kind !== 'static') continue;
        return { do: 'start', supervisor: owner.id, node: this.#newcomer(owner.id, owner) };
      } else {
        const owner = this.#one(node => node.kind === 'dynamic')?.node;
        if (owner?.kind !== 'dynamic') continue;
        const children = this.#nodes.filter(({ supervisor }) => supervisor === owner.id);
        if (children.length > 0 && generator.chance(0.3))
          return { do: 'terminate_dynamic', supervisor: owner.id, id: generator.pick(children).node.id };
        const node = { ...owner.template, id: `${owner.id}.${children.length + 1}` };
        this.add(node, owner.id);
        return { do: 'start_dynamic', supervisor: owner.id, id: node.id };
      }
    }
  }

  /** A child to start: new mostly, else one of an id that is taken, or one that is wrong. */
  #newcomer(supervisor: string, owner: Extract<TreeNode, { kind: 'static' }>): TreeNode {
    const generator = this.#generator;
    const wrong = generator.chance(0.1);
    const node = generator.node(wrong ? 'any_significant' : owner.autoShutdown, 1);
    const taken = this.#nodes.filter(other => other.supervisor === supervisor && other.node.kind === 'worker');
    if (taken.length > 0 && node.kind === 'worker' && generator.chance(0.3)) {
      const { id } = generator.pick(taken).node;
      return wrong ? { ...node, id, significant: true } : { ...node, id };
    }
    if (wrong) return { ...node, significant: true };
    this.add(node, supervisor);
    return node;
  }
}
