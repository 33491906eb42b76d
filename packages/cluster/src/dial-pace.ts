import { DIAL_PLACE_MS, DIALS_AT_ONCE, DIALS_AT_ONCE_SHARE } from './defaults.js';

/**
 * How many dials a node begins at once: in a cluster that forms, everybody finds everybody in the same moment, and handshakes that all run
 * together are all late. A dial has its place until it is over, but not for long, so that addresses at which nobody answers hold nobody up.
 */
export class DialPace {
  /** When each dial began. */
  readonly #begun = new Map<string, number>();

  /**
   * A dial that may begin now begins.
   * @param targets - how many addresses are to be dialled altogether
   */
  begin(text: string, targets: number, now: number): boolean {
    for (const [earlier, at] of this.#begun) {
      if (now - at < DIAL_PLACE_MS) break;
      this.#begun.delete(earlier);
    }
    if (this.#begun.size >= Math.max(DIALS_AT_ONCE, targets / DIALS_AT_ONCE_SHARE)) return false;
    this.#begun.delete(text);
    this.#begun.set(text, now);
    return true;
  }

  /** A dial is over. */
  end(text: string): void {
    this.#begun.delete(text);
  }

  /** When the next place is free at the latest. */
  nextAt(now: number): number {
    const oldest = this.#begun.values().next().value;
    return oldest === undefined ? now : oldest + DIAL_PLACE_MS;
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
