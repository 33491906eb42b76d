import { defineProgram } from './actor.js';
import { type ChildLike, type ChildSpec, toChildSpec } from './child-spec.js';
import type { ActorContext, Context } from './context.js';
import { PARTITIONS } from './defaults.js';
import { checkKeys, invalidOption } from './errors.js';
import { Pid } from './pid.js';
import type { Process } from './process.js';
import type { Handler, Program } from './program.js';
import type { ChildCounts, ChildInfo } from './supervised-child.js';
import {
  checkSignificant,
  resolveSupervision,
  type SupervisionOptions,
  type SupervisionSpec,
  supervisionKeys,
} from './supervision.js';
import { commonCalls, supervisorProgram } from './supervisor.js';
import { type Strategy, SupervisorState } from './supervisor-state.js';
import type { Definition, Start } from './types.js';

/** What picks a partition: equal keys, the same one. */
export type PartitionKey = string | number | Pid;

/** What {@link partitionSupervisor} takes. */
export interface PartitionSupervisorInit extends SupervisionOptions {
  /** What runs in each partition: the same, or one made for each number from 0. Its `id` becomes that number. */
  readonly children: ChildLike | ((partition: number) => ChildLike);
  /** How many; default 8. */
  readonly partitions?: number;
  /** Default `'one_for_one'`. */
  readonly strategy?: Strategy;
}

interface PartitionSpec extends SupervisionSpec {
  readonly strategy: Strategy;
  readonly children: readonly ChildSpec[];
}

/** The operations of a partition supervisor; its children are fixed. */
export type PartitionSupervisorCalls = {
  whichChildren: (state: object) => ChildInfo[];
  countChildren: (state: object) => ChildCounts;
  /** How many there are. */
  partitions: (state: object) => number;
};
export type PartitionSupervisorDefinition = Definition<PartitionSpec, PartitionSupervisorCalls, unknown>;

/**
 * A supervisor of as many equal children as there are partitions, each of which serves its share of the keys: what would wait
 * behind one actor waits behind several. Elixir's `PartitionSupervisor`.
 * @throws FoundationError `invalid-option`
 */
export function partitionSupervisor(init: PartitionSupervisorInit): Start<PartitionSupervisorDefinition> {
  checkKeys('partitionSupervisor()', init, ['children', 'partitions', 'strategy', ...supervisionKeys]);
  const { partitions = PARTITIONS, strategy = 'one_for_one', children } = init;
  if (!(Number.isInteger(partitions) && partitions >= 1))
    throw invalidOption('partitions', partitions, 'an integer, 1 or more');
  if (!['one_for_one', 'one_for_all', 'rest_for_one'].includes(strategy))
    throw invalidOption('strategy', strategy, 'one_for_one, one_for_all, rest_for_one');
  const make = typeof children === 'function' ? children : () => children;
  const supervision = resolveSupervision(init);
  const specs = Array.from({ length: partitions }, (_, partition) => {
    const spec: ChildSpec = { ...toChildSpec(make(partition)), id: `${partition}` };
    if (spec.name !== undefined && typeof children !== 'function')
      throw invalidOption('children.name', spec.name, 'one for each: make the children by a function');
    checkSignificant(spec, supervision.autoShutdown);
    return spec;
  });
  return { definition: partitionSupervisorDefinition, argument: { strategy, ...supervision, children: specs } };
}

/** The partition of a key: a whole number by its remainder (Elixir), anything else by a hash of its text. */
export function partitionOf(key: PartitionKey, partitions: number): number {
  if (typeof key === 'number' && Number.isSafeInteger(key)) return Math.abs(key) % partitions;
  const text = key instanceof Pid ? key.key : `${key}`;
  // FNV-1a: the same on every node and in every version.
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return (hash >>> 0) % partitions;
}

const program: Program = {
  ...supervisorProgram,
  name: 'partition-supervisor',
  init: (argument: unknown, ctx: Context<unknown>) => {
    const spec = argument as PartitionSpec;
    return new SupervisorState((ctx as ActorContext).process, spec, spec.strategy).startAll(spec.children);
  },
  calls: new Map<string, Handler>([
    ...commonCalls,
    ['partitions', (_state, _payload, ctx) => partitionCount((ctx as ActorContext).process)],
  ]),
};

/** How many partitions a running one has. */
export function partitionCount(process: Process): number {
  return (process.start.argument as PartitionSpec).children.length;
}

const partitionSupervisorDefinition = defineProgram<PartitionSupervisorDefinition>(program);
