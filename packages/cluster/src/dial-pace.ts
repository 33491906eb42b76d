import { DIAL_ANSWERED_PLACE_MS, DIAL_PLACE_MS, DIALS_AT_ONCE, DIALS_AT_ONCE_SHARE } from './defaults.js';

/**
 * How many dials a node begins at once: in a cluster that forms, everybody finds everybody in the same moment, and handshakes that all run
 * together are all late. A dial has its place until it is over, but not for long, so that addresses at which nobody answers, or somebody
 * who says nothing, hold nobody up.
 */
export class DialPace {
  /** Until when each dial that is under way has its place. */
  readonly #until = new Map<string, number>();

  /**
   * A dial that may begin now begins.
   * @param targets - how many addresses are to be dialled altogether
   */
  begin(text: string, targets: number, now: number): boolean {
    for (const [earlier, until] of this.#until) if (until <= now) this.#until.delete(earlier);
    if (this.#until.size >= Math.max(DIALS_AT_ONCE, targets / DIALS_AT_ONCE_SHARE)) return false;
    this.#until.set(text, now + DIAL_PLACE_MS);
    return true;
  }

  /** Somebody is there: a session is likely to come of it. */
  answered(text: string): void {
    const until = this.#until.get(text);
    if (until !== undefined) this.#until.set(text, until + DIAL_ANSWERED_PLACE_MS - DIAL_PLACE_MS);
  }

  /** A dial is over. */
  end(text: string): void {
    this.#until.delete(text);
  }

  /** When the next place is free at the latest. */
  nextAt(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const until of this.#until.values()) next = Math.min(next, until);
    return next === Number.POSITIVE_INFINITY ? now : next;
  }
}

/**
 * The order in which a node dials: as on a ring, from behind itself. Of two nodes one then comes to the other much sooner than the other
 * to it, and the first dials of many nodes go to as many others.
 */
export function inRing<T extends { readonly text: string }>(due: readonly T[], own: string): readonly T[] {
  const sorted = [...due].sort((left, right) => (left.text < right.text ? -1 : 1));
  const first = sorted.findIndex(({ text }) => text > own);
  return first <= 0 ? sorted : [...sorted.slice(first), ...sorted.slice(0, first)];
}
