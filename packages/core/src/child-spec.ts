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
  /** Whether its end may end its supervisor; see `AutoShutdown`. */
  readonly significant?: boolean | undefined;
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
  /** Its end may end a supervisor with `autoShutdown`; not for `permanent` children. Default false. */
  readonly significant?: boolean;
  /** Registers the child under this local name at each start; default: none. */
  readonly name?: string;
}

/**
 * A child specification.
 * @throws FoundationError `invalid-option`
 */
export function child<D extends AnyDefinition>(start: Start<D>, options: ChildOptions = {}): ChildSpec<D> {
  checkStart(start);
  checkKeys('child()', options, ['id', 'restart', 'shutdown', 'significant', 'name']);
  const { restart = 'permanent', significant, name } = options;
  const shutdown =
    options.shutdown ?? (start.definition.program.supervisor ? Number.POSITIVE_INFINITY : SHUTDOWN_TIMEOUT);
  const id = options.id ?? start.definition.name;
  if (typeof id !== 'string' || id.length === 0) throw invalidOption('id', id, 'a non-empty string');
  if (!isRestart(restart)) throw invalidOption('restart', restart, "'permanent', 'transient', 'temporary'");
  if (!isShutdown(shutdown)) throw invalidOption('shutdown', shutdown, "milliseconds, Infinity, 'brutal_kill'");
  if (significant !== undefined && typeof significant !== 'boolean')
    throw invalidOption('significant', significant, 'a boolean');
  if (significant === true && restart === 'permanent')
    throw invalidOption('significant', significant, "false for a 'permanent' child, which never ends for good");
  if (name !== undefined && (typeof name !== 'string' || name.length === 0))
    throw invalidOption('name', name, 'a non-empty string');
  const spec = { id, start, restart, shutdown };
  if (significant !== true && name === undefined) return spec;
  return { ...spec, ...(significant === true && { significant }), ...(name !== undefined && { name }) };
}

function isRestart(value: unknown): value is Restart {
  return value === 'permanent' || value === 'transient' || value === 'temporary';
}

function isShutdown(value: unknown): value is Shutdown {
  return value === 'brutal_kill' || (typeof value === 'number' && value >= 0);
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
  const { start, id, restart, shutdown, significant, name } = given;
  // What child() makes in most cases; checked here at a fraction of the price, for supervisors that start very many.
  if (
    significant === undefined &&
    name === undefined &&
    typeof id === 'string' &&
    id.length > 0 &&
    isRestart(restart) &&
    isShutdown(shutdown)
  ) {
    checkStart(start);
    return given;
  }
  // One written by hand gets the checks and defaults of child().
  return child(start, {
    ...(id !== undefined && { id }),
    ...(restart !== undefined && { restart }),
    ...(shutdown !== undefined && { shutdown }),
    ...(significant !== undefined && { significant }),
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
