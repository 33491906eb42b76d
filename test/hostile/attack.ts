import { until } from '../support/until.js';
import type { Arena, Wire } from './arena.js';
import type { RawSocket } from './raw-peer.js';

export interface Attack {
  readonly name: string;
  /** Takes seconds, because of the victim's time limits. */
  readonly slow?: true;
  /** Where it is one; default: on everything. */
  readonly on?: readonly Wire[];
  /** What the victim tells of the attacker's end: an event of its telemetry or log with this code or text; undefined: it may stay. */
  readonly told?: RegExp;
  /** Heap that the victim may keep afterwards, MiB; default 24. */
  readonly heap?: number;
  /** Milliseconds for which the event loop may stand; default {@link LAG}. */
  readonly lag?: number;
  run(arena: Arena): Promise<void>;
}

export const wait = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

export async function untilClosed(socket: RawSocket, name: string, within = 5_000): Promise<void> {
  await until(
    () => socket.closed,
    () => `${name} to be closed`,
    within,
  );
}
