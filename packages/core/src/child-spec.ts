import { MAX_RESTARTS, RESTART_WITHIN, SHUTDOWN_TIMEOUT } from './defaults.js';
import { checkKeys, FoundationError, invalidOption } from './errors.js';
import type { AnyDefinition, Start } from './types.js';

/** When an ended child is restarted: always, only after a crash, never (OTP). */
export type Restart = 'permanent' | 'transient' | 'temporary';

/** How a child is stopped: milliseconds before it is killed, `Infinity`, or killed at once. */
export type Shutdown = number | 'brutal_kill';

/** A child of a supervisor: plain data. */
export interface ChildSpec<D extends AnyDefinition = AnyDefinition> {
  readonly id: string;
  readonly start: Start<D>;
  readonly restart: Restart;
  readonly shutdown: Shutdown;
  /** The local name that it is registered under at each start. */
  readonly name?: string | undefined;
}

/** What {@link child} takes. */
export interface ChildOptions {
  /** Unique within its supervisor; default: the definition's name. */
  readonly id?: string;
  /** Default `'permanent'`. */
  readonly restart?: Restart;
  /** Default 5,000 for workers, `Infinity` for supervisors. */
  readonly shutdown?: Shutdown;
  /** Registers the child under this local name at each start; default: none. */
  readonly name?: string;
}

/**
 * A child specification.
 * @throws FoundationError `invalid-option`
 */
export function child<D extends AnyDefinition>(start: Start<D>, options: ChildOptions = {}): ChildSpec<D> {
  checkStart(start);
  checkKeys('child()', options, ['id', 'restart', 'shutdown', 'name']);
  const { restart = 'permanent' } = options;
  const shutdown =
    options.shutdown ?? (start.definition.program.supervisor ? Number.POSITIVE_INFINITY : SHUTDOWN_TIMEOUT);
  const id = options.id ?? start.definition.name;
  if (typeof id !== 'string' || id.length === 0) throw invalidOption('id', id, 'a non-empty string');
  if (!['permanent', 'transient', 'temporary'].includes(restart)) {
    throw invalidOption('restart', restart, "'permanent', 'transient', 'temporary'");
  }
  if (shutdown !== 'brutal_kill' && !(typeof shutdown === 'number' && shutdown >= 0)) {
    throw invalidOption('shutdown', shutdown, "milliseconds, Infinity, 'brutal_kill'");
  }
  const { name } = options;
  if (name === undefined) return { id, start, restart, shutdown };
  if (typeof name !== 'string' || name.length === 0) throw invalidOption('name', name, 'a non-empty string');
  return { id, start, restart, shutdown, name };
}

/** @throws FoundationError `invalid-option` for what is no start data, most often a definition that was not called */
export function checkStart(start: unknown): void {
  if ((start as Start | null | undefined)?.definition?.program === undefined) {
    throw invalidOption('start', start, 'a definition called with its argument, as in Counter(3)');
  }
}

/** A child given as a specification, or as bare start data with the defaults. */
export type ChildLike = ChildSpec | Start;

/** The specification of either form. */
export function toChildSpec(given: ChildLike): ChildSpec {
  if (typeof given !== 'object' || given === null || !('start' in given)) return child(given);
  // One written by hand gets the checks and defaults of child().
  const { start, id, restart, shutdown, name } = given;
  return child(start, {
    ...(id !== undefined && { id }),
    ...(restart !== undefined && { restart }),
    ...(shutdown !== undefined && { shutdown }),
    ...(name !== undefined && { name }),
  });
}

/** Specifications with unique ids. @throws FoundationError `invalid-option` */
export function toChildSpecs(given: readonly ChildLike[]): ChildSpec[] {
  if (!Array.isArray(given)) throw invalidOption('children', given, 'an array of children');
  const specs = given.map(toChildSpec);
  const seen = new Set<string>();
  for (const spec of specs) {
    if (seen.has(spec.id)) {
      throw new FoundationError(
        'invalid-option',
        `Two children have the id '${spec.id}'; give one another: child(…, { id }).`,
      );
    }
    seen.add(spec.id);
  }
  return specs;
}

/** Restart intensity as options. */
export interface IntensityOptions {
  /** Restarts allowed within {@link within}; default 3. */
  readonly maxRestarts?: number;
  /** Milliseconds; default 5,000. */
  readonly within?: number;
}

/** @throws FoundationError `invalid-option` */
export function resolveIntensity(options: IntensityOptions): { readonly maxRestarts: number; readonly within: number } {
  const { maxRestarts = MAX_RESTARTS, within = RESTART_WITHIN } = options;
  if (!(Number.isInteger(maxRestarts) && maxRestarts >= 0))
    throw invalidOption('maxRestarts', maxRestarts, 'an integer, 0 or more');
  if (!(typeof within === 'number' && within > 0)) throw invalidOption('within', within, 'milliseconds, more than 0');
  return { maxRestarts, within };
}
