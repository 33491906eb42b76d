import {
  MDNS_ANNOUNCE_INTERVAL,
  MDNS_ANNOUNCEMENTS,
  MDNS_CONFLICT_WAIT,
  MDNS_CONFLICT_WINDOW,
  MDNS_CONFLICTS,
  MDNS_PROBE_DEFER,
  MDNS_PROBE_INTERVAL,
  MDNS_PROBES,
} from './defaults.js';

/** What the rules see of the world. */
export interface MdnsMoment {
  /** Monotonic, ms. */
  readonly now: number;
  /** Gives a number in [0, 1). */
  readonly random: () => number;
}

/** How far a node is in getting its name (RFC 6762 §8). */
export interface Prober {
  phase: 'idle' | 'probing' | 'announcing' | 'settled';
  /** How many names were found taken. */
  attempt: number;
  /** Probes or announcements sent in this phase. */
  sent: number;
  /** When the next one is due. */
  dueAt: number;
  /** Whether the name was announced, so that it has to be taken back. */
  announced: boolean;
  /** Whether there were so many conflicts that it waits before each attempt, until one succeeds. */
  slow: boolean;
  /** When conflicts were met lately. */
  readonly conflicts: number[];
}

export const createProber = (): Prober => ({
  phase: 'idle',
  attempt: 0,
  sent: 0,
  dueAt: Number.POSITIVE_INFINITY,
  announced: false,
  slow: false,
  conflicts: [],
});

/** Whether the name is the node's, so that it answers for it. */
export const ownsName = ({ phase }: Prober): boolean => phase === 'announcing' || phase === 'settled';

/** Probes from the first again, `wait` ms from now; default: a random part of the interval between probes. */
export function probe(prober: Prober, { now, random }: MdnsMoment, wait = MDNS_PROBE_INTERVAL * random()): void {
  prober.phase = 'probing';
  prober.sent = 0;
  prober.dueAt = now + wait;
}

export function stopProber(prober: Prober): void {
  prober.phase = 'idle';
  prober.announced = false;
  prober.dueAt = Number.POSITIVE_INFINITY;
}

/** @returns what is to be sent now */
export function tickProber(prober: Prober, { now }: MdnsMoment): 'probe' | 'announcement' | undefined {
  if (now < prober.dueAt) return undefined;
  if (prober.phase === 'probing' && prober.sent < MDNS_PROBES) {
    prober.sent++;
    prober.dueAt = now + MDNS_PROBE_INTERVAL;
    return 'probe';
  }
  if (prober.phase === 'probing') {
    prober.phase = 'announcing';
    prober.announced = true;
    prober.sent = 0;
  }
  prober.sent++;
  if (prober.sent >= MDNS_ANNOUNCEMENTS) {
    prober.phase = 'settled';
    prober.slow = false;
    prober.dueAt = Number.POSITIVE_INFINITY;
  } else {
    prober.dueAt = now + MDNS_ANNOUNCE_INTERVAL;
  }
  return 'announcement';
}

/** Another probes for the name at the same time, and wins: the node waits, and looks again whether he took it. */
export function deferProbe(prober: Prober, moment: MdnsMoment): void {
  if (prober.phase === 'probing') probe(prober, moment, MDNS_PROBE_DEFER);
}

/**
 * Another has the name. One who probes takes the next name; one who has it already asks first whether the other means
 * it (RFC 6762 §9). What comes before the first probe is no conflict (§8.1).
 * @returns whether there is a new name
 */
export function meetConflict(prober: Prober, moment: MdnsMoment): boolean {
  const renamed = prober.phase === 'probing';
  if (renamed && prober.sent === 0) return false;
  if (renamed) {
    prober.attempt++;
    prober.announced = false;
  }
  const { conflicts } = prober;
  conflicts.push(moment.now);
  while ((conflicts[0] as number) <= moment.now - MDNS_CONFLICT_WINDOW || conflicts.length > MDNS_CONFLICTS) {
    conflicts.shift();
  }
  if (conflicts.length >= MDNS_CONFLICTS) prober.slow = true;
  probe(prober, moment, prober.slow ? MDNS_CONFLICT_WAIT : undefined);
  return renamed;
}
