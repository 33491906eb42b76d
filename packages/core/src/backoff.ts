import { BACKOFF_INITIAL, BACKOFF_JITTER, BACKOFF_MAX } from './defaults.js';
import { checkKeys, invalidOption } from './errors.js';

/** How restarts are held back; beyond OTP. The delay doubles with each restart of a child that did not run for `max` in between. */
export interface BackoffOptions {
  /** Milliseconds before the first restart; default 100. */
  readonly initial?: number;
  /** Milliseconds, the longest delay; a child that ran for so long begins with `initial` again. Default 30,000. */
  readonly max?: number;
  /** The share of a delay, 0 to 1, that chance may take off, so that many children do not come back at once. Default 0.2. */
  readonly jitter?: number;
}

/** {@link BackoffOptions} with the defaults filled in. */
export type Backoff = Required<BackoffOptions>;

/** @throws FoundationError `invalid-option` */
export function resolveBackoff(options: BackoffOptions | undefined): Backoff | undefined {
  if (options === undefined) return undefined;
  if (typeof options !== 'object' || options === null) throw invalidOption('backoff', options, 'an object');
  checkKeys('backoff', options, ['initial', 'max', 'jitter']);
  const { initial = BACKOFF_INITIAL, jitter = BACKOFF_JITTER } = options;
  if (!(Number.isFinite(initial) && initial > 0))
    throw invalidOption('backoff.initial', initial, 'milliseconds, more than 0');
  const { max = Math.max(initial, BACKOFF_MAX) } = options;
  if (!(Number.isFinite(max) && max >= initial))
    throw invalidOption('backoff.max', max, `milliseconds, 'initial' (${initial}) or more`);
  if (!(typeof jitter === 'number' && jitter >= 0 && jitter <= 1))
    throw invalidOption('backoff.jitter', jitter, '0 to 1');
  return { initial, max, jitter };
}

/**
 * Milliseconds before a restart.
 * @param attempt - how many restarts came before it, 0 for the first
 * @param chance - a number in [0, 1)
 */
export function backoffDelay(backoff: Backoff, attempt: number, chance: number): number {
  return Math.min(backoff.max, backoff.initial * 2 ** attempt) * (1 - backoff.jitter * chance);
}
