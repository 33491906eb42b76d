import { FoundationError } from '@foundation-ts/core';

/**
 * The messages between two nodes: arrays that begin with one of these numbers. `to` is an actor's number on the receiving node or a
 * local name there; `from` an actor's number on the sending node (0: the node itself).
 */
export const wire = {
  /** `[cast, to, op, payload]` */
  cast: 1,
  /** `[call, id, to, op, payload, remaining]`; `remaining` in ms, −1 for no limit */
  call: 2,
  /** `[offer, id, to, op, payload, remaining]` */
  offer: 3,
  /** `[reply, id, value]` */
  reply: 4,
  /** `[fail, id, error]` */
  fail: 5,
  /** `[spawn, id, definition, argument, name | null]` */
  spawn: 6,
  /** `[refused, to, error]`: an exit signal to `to`, an actor of the node that says so, was not permitted */
  refused: 7,
  /** `[link, from, to]` */
  link: 10,
  /** `[unlink, from, to]` */
  unlink: 11,
  /** `[exit, from, to, reason, viaLink, …mark]`; the mark, `session, number, copies`, says what fence it is to arrive behind, if any */
  exit: 12,
  /** `[monitor, from, to, monitor]` */
  monitor: 13,
  /** `[demonitor, from, to, monitor]` */
  demonitor: 14,
  /** `[down, from, to, monitor, reason, …mark]` */
  down: 15,
  /** `[exitEarly, from, to, reason, viaLink, linked, monitors]`, on `control`: an `exit` with the same follows in its place */
  exitEarly: 16,
  /** `[fence, session, number]`: comes behind what its sender sent on a connection */
  fence: 17,
  /** `[heartbeat]` */
  heartbeat: 30,
  /** `[heartbeatAck]` */
  heartbeatAck: 31,
  /** `[probe, target]`: heartbeat `target` for me */
  probe: 32,
  /** `[probeResult, target, alive]` */
  probeResult: 33,
  /** `[gossip, records]` */
  gossip: 34,
  /** `[digest, digest]` */
  digest: 35,
  /** `[summary, rows]` */
  summary: 36,
  /** `[want, names]` */
  want: 37,
  /** `[suspect, name, incarnation]`: I can't reach it; check for yourself */
  suspect: 38,
} as const;

/** Channel of everything that keeps the cluster together. */
export const CONTROL = 'control';
/** Channel of messages and signals between actors, unless a message names another. */
export const DATA = 'data';

/** Signals between actors, and the failures of calls: what must not fail because others have filled a queue. */
export function isEssential(message: unknown): boolean {
  const kind = (message as readonly unknown[])[0] as number;
  return kind === wire.fail || (kind >= wire.link && kind <= wire.down);
}

/** A message of the right outer form. @throws FoundationError `protocol` */
export function messageOf(message: unknown): readonly unknown[] {
  if (Array.isArray(message) && typeof message[0] === 'number') return message;
  throw new FoundationError('protocol', 'A peer sent a message that is not one of this protocol.');
}

/** @throws FoundationError `protocol` */
export function numberOf(value: unknown, what: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= -1) return value;
  throw new FoundationError('protocol', `A peer sent a malformed ${what}.`);
}

/** @throws FoundationError `protocol` */
export function textOf(value: unknown, what: string): string {
  if (typeof value === 'string' && value.length <= 4_096) return value;
  throw new FoundationError('protocol', `A peer sent a malformed ${what}.`);
}

/** @throws FoundationError `protocol` */
export function targetOf(value: unknown): number | string {
  return typeof value === 'string' ? textOf(value, 'name') : numberOf(value, 'actor number');
}
