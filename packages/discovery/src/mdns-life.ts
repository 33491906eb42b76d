import { MDNS_GOODBYE_DELAY, MDNS_REFRESH_AT, MDNS_REFRESH_SPREAD } from './defaults.js';
import type { MdnsMoment } from './mdns-prober.js';

/** How long a record is believed, and when to ask for it again. */
export interface Life {
  readonly receivedAt: number;
  /** ms */
  readonly ttl: number;
  expiresAt: number;
  refreshAt: number;
  refreshes: number;
}

/** Of whom holds the records: when something is to be done about any of them. */
interface Due {
  dueAt: number;
}

/** @param seconds - the TTL that was told */
export function born(holder: Due, seconds: number, { now, random }: MdnsMoment): Life {
  const ttl = seconds * 1_000;
  const refreshAt = refreshTime({ receivedAt: now, ttl, refreshes: 0 }, random());
  holder.dueAt = Math.min(holder.dueAt, refreshAt);
  return { receivedAt: now, ttl, expiresAt: now + ttl, refreshAt, refreshes: 0 };
}

/** What becomes of a record that is told again; 0 seconds: a goodbye. */
export function renewed(holder: Due, life: Life, seconds: number, moment: MdnsMoment): Life {
  if (seconds > 0) return born(holder, seconds, moment);
  shorten(holder, life, moment.now + MDNS_GOODBYE_DELAY);
  return life;
}

/** Lets a record end at that time, or before if it would. */
export function shorten(holder: Due, life: Life, expiresAt: number): void {
  life.expiresAt = Math.min(life.expiresAt, expiresAt);
  life.refreshAt = Number.POSITIVE_INFINITY;
  holder.dueAt = Math.min(holder.dueAt, life.expiresAt);
}

/** Whether it is time to ask for a record again; notes that this was done. */
export function isStale(holder: Due, life: Life | undefined, { now, random }: MdnsMoment): boolean {
  if (life === undefined) return false;
  const stale = life.refreshAt <= now && life.expiresAt > now;
  if (stale) {
    life.refreshes++;
    life.refreshAt = refreshTime(life, random());
  }
  holder.dueAt = Math.min(holder.dueAt, life.refreshAt, life.expiresAt);
  return stale;
}

function refreshTime(life: Pick<Life, 'receivedAt' | 'ttl' | 'refreshes'>, random: number): number {
  const part = MDNS_REFRESH_AT[life.refreshes];
  if (part === undefined) return Number.POSITIVE_INFINITY;
  return life.receivedAt + life.ttl * (part + MDNS_REFRESH_SPREAD * random);
}
