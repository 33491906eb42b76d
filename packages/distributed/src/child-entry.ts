import type { Restart, Shutdown } from '@foundation-ts/core';

/** What is wanted of a child: that it starts (a failure ends it), that it runs, that it is gone; `failed`: it was given up. */
export type Desired = 'start' | 'run' | 'stopped' | 'failed';

/** Whether the child is to run. */
export function isWanted(entry: ChildEntry | undefined): entry is ChildEntry & { readonly desired: 'start' | 'run' } {
  return entry !== undefined && (entry.desired === 'run' || entry.desired === 'start');
}

/** One child as the replicated table knows it. Plain data: no code, and no pids. */
export interface ChildEntry {
  readonly id: string;
  /** The name of its definition; each node starts it from its own. */
  readonly definition: string;
  readonly argument: unknown;
  readonly restart: Restart;
  readonly shutdown: Shutdown;
  /** Where it is to run. */
  readonly node: string;
  readonly incarnation: number;
  /** Raised by each assignment; the greater one stands. */
  readonly epoch: number;
  /** The request that started it: an id that was used twice means two different children. */
  readonly birth: string;
  readonly desired: Desired;
  /** Why it was given up or is gone. */
  readonly why: string;
  /** Nodes that tried to start it and could not. */
  readonly tried: readonly string[];
}

/** The replicated form of a {@link ChildEntry}, without the id, which is the key. */
export type ChildValue = readonly [
  definition: string,
  argument: unknown,
  restart: Restart,
  shutdown: Shutdown,
  node: string,
  incarnation: number,
  epoch: number,
  birth: string,
  desired: Desired,
  why: string,
  tried: readonly string[],
];

/** The replicated form. */
export function entryToValue(entry: ChildEntry): ChildValue {
  const { definition, argument, restart, shutdown, node, incarnation, epoch, birth, desired, why, tried } = entry;
  return [definition, argument, restart, shutdown, node, incarnation, epoch, birth, desired, why, tried];
}

/** The reverse of {@link entryToValue}; undefined when it is malformed. */
export function entryFromValue(id: string, value: unknown): ChildEntry | undefined {
  if (!Array.isArray(value) || value.length < 11) return undefined;
  const [definition, argument, restart, shutdown, node, incarnation, epoch, birth, desired, why, tried] =
    value as unknown[];
  const texts = [definition, node, birth, why].every(part => typeof part === 'string');
  if (!texts || !Number.isSafeInteger(incarnation) || !Number.isSafeInteger(epoch) || !Array.isArray(tried))
    return undefined;
  if (restart !== 'permanent' && restart !== 'transient' && restart !== 'temporary') return undefined;
  if (shutdown !== 'brutal_kill' && typeof shutdown !== 'number') return undefined;
  if (desired !== 'start' && desired !== 'run' && desired !== 'stopped' && desired !== 'failed') return undefined;
  return {
    id,
    definition: definition as string,
    argument,
    restart,
    shutdown,
    node: node as string,
    incarnation: incarnation as number,
    epoch: epoch as number,
    birth: birth as string,
    desired,
    why: why as string,
    tried: tried as string[],
  };
}

/**
 * Which of several concurrent entries of one id stands, the same on every node: a birth that was stopped anywhere is stopped; of what is left, the
 * greatest epoch, then the lower birth, then the lower node.
 */
export function standing(entries: readonly ChildEntry[]): ChildEntry | undefined {
  const stopped = new Set<string>();
  for (const entry of entries) if (entry.desired === 'stopped') stopped.add(entry.birth);
  const alive = entries.filter(entry => !stopped.has(entry.birth));
  let best: ChildEntry | undefined;
  for (const entry of alive.length > 0 ? alive : entries.filter(each => each.desired === 'stopped')) {
    if (best === undefined || before(entry, best)) best = entry;
  }
  return best;
}

function before(left: ChildEntry, right: ChildEntry): boolean {
  if (left.epoch !== right.epoch) return left.epoch > right.epoch;
  if ((left.desired === 'failed') !== (right.desired === 'failed')) return left.desired === 'failed';
  if (left.birth !== right.birth) return left.birth < right.birth;
  if (left.node !== right.node) return left.node < right.node;
  if (left.incarnation !== right.incarnation) return left.incarnation > right.incarnation;
  return left.desired < right.desired;
}
