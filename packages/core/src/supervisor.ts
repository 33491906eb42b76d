import { defineProgram } from './actor.js';
import { type ChildLike, type ChildSpec, toChildSpec, toChildSpecs } from './child-spec.js';
import type { ActorContext, Context } from './context.js';
import { checkKeys, invalidOption } from './errors.js';
import type { Pid } from './pid.js';
import type { Handler, Program } from './program.js';
import { type ChildCounts, type ChildInfo, childInfo, countChildren } from './supervised-child.js';
import {
  answering,
  checkSignificant,
  resolveSupervision,
  type Supervision,
  type SupervisionOptions,
  type SupervisionSpec,
  supervisionKeys,
} from './supervision.js';
import { type Strategy, SupervisorState } from './supervisor-state.js';
import type { Definition, Start } from './types.js';

/** What {@link supervisor} takes. */
export interface SupervisorInit extends SupervisionOptions {
  /** Default `'one_for_one'`. */
  readonly strategy?: Strategy;
  /** Started in this order, stopped in reverse. */
  readonly children?: readonly ChildLike[];
}

/** A supervisor as plain data. */
export interface SupervisorSpec extends SupervisionSpec {
  readonly strategy: Strategy;
  readonly children: readonly ChildSpec[];
}

/** The operations of a supervisor. */
export type SupervisorCalls = {
  whichChildren: (state: object) => ChildInfo[];
  countChildren: (state: object) => ChildCounts;
  startChild: (state: object, spec: ChildLike) => Promise<Pid>;
  terminateChild: (state: object, id: string) => Promise<void>;
  restartChild: (state: object, id: string) => Promise<Pid>;
  deleteChild: (state: object, id: string) => void;
};
export type SupervisorDefinition = Definition<SupervisorSpec, SupervisorCalls, unknown>;

const strategies: readonly Strategy[] = ['one_for_one', 'one_for_all', 'rest_for_one'];

/**
 * A supervision tree as plain data; OTP's `supervisor`.
 * @throws FoundationError `invalid-option`
 */
export function supervisor(init: SupervisorInit = {}): Start<SupervisorDefinition> {
  checkKeys('supervisor()', init, ['strategy', 'children', ...supervisionKeys]);
  const { strategy = 'one_for_one' } = init;
  if (!strategies.includes(strategy)) throw invalidOption('strategy', strategy, strategies.join(', '));
  const spec: SupervisorSpec = { strategy, ...resolveSupervision(init), children: toChildSpecs(init.children ?? []) };
  for (const childSpec of spec.children) checkSignificant(childSpec, spec.autoShutdown);
  return { definition: supervisorDefinition, argument: spec };
}

/** What the programs of all supervisors have in common. */
export const supervisorProgram = {
  casts: new Map<string, Handler>(),
  onDown: undefined,
  onExit: (state, exit) => (state as Supervision).onExit(exit),
  terminate: state => (state as Supervision).stopAll(),
  handOff: undefined,
  resume: undefined,
  version: 0,
  trapExit: true,
  capacity: Number.POSITIVE_INFINITY,
  overflow: 'reject',
  localOnly: true,
  supervisor: true,
} as const satisfies Partial<Program>;

/** The calls that every supervisor answers. */
export const commonCalls: readonly (readonly [string, Handler])[] = [
  ['whichChildren', answering((state: Supervision) => Array.from(state.entries(), childInfo))],
  ['countChildren', answering((state: Supervision) => countChildren(state.entries()))],
];

const program: Program = {
  ...supervisorProgram,
  name: 'supervisor',
  init: (argument: unknown, ctx: Context<unknown>) => {
    const spec = argument as SupervisorSpec;
    return new SupervisorState((ctx as ActorContext).process, spec, spec.strategy).startAll(spec.children);
  },
  calls: new Map<string, Handler>([
    ...commonCalls,
    ['startChild', answering((state: SupervisorState, spec: ChildLike) => state.add(toChildSpec(spec)))],
    ['terminateChild', answering((state: SupervisorState, id: string) => state.terminateChild(id))],
    ['restartChild', answering((state: SupervisorState, id: string) => state.restartChild(id))],
    ['deleteChild', answering((state: SupervisorState, id: string) => state.deleteChild(id))],
  ]),
};

const supervisorDefinition = defineProgram<SupervisorDefinition>(program);
