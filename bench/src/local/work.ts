/** The work of the local benches, the same for every contender. */
import type { Values } from '../bench.js';
import type { Gate } from './gate.js';
import { rate } from './rate.js';
import { besideTimer } from './timer.js';

export type Call = () => Promise<unknown>;

const batch = 1_000;
/** Actors in the ring. */
export const places = 1_000;

/** Casts `size` messages in batches of 1,000, each batch awaited before the next. */
export function castInBatches(size: number, gate: Gate, cast: (value: number) => void): Promise<Values> {
  return rate('cast.batched', size, async () => {
    for (let left = size; left > 0; left -= batch) {
      const count = Math.min(batch, left);
      const handled = gate.after(count);
      for (let value = 0; value < count; value++) cast(value);
      await handled;
    }
  });
}

/** `size` calls by `inFlight` callers, each of whom awaits its answer before it calls again. */
export function callRepeatedly(metric: string, size: number, inFlight: number, call: Call): Promise<Values> {
  const caller = async (count: number) => {
    for (let done = 0; done < count; done++) await call();
  };
  return rate(metric, size, async () => {
    const each = Math.floor(size / inFlight);
    const callers = Array.from({ length: inFlight }, (_, index) =>
      caller(index === 0 ? size - each * (inFlight - 1) : each),
    );
    await Promise.all(callers);
  });
}

/** Casts `size` messages in one go, so that the mailbox holds all of them before the first is handled. */
export function castAtOnce(size: number, gate: Gate, cast: (value: number) => void): Promise<Values> {
  return rate('cast.deep', size, () => {
    const handled = gate.after(size);
    for (let value = 0; value < size; value++) cast(value);
    return handled;
  });
}

/**
 * Plays `size` hops between two actors beside a timer of 1 ms. `serve` sends the first ball; a ball carries how many hops
 * are left, and whoever gets 0 hits the gate.
 */
export function play(size: number, gate: Gate, serve: (hops: number) => void): Promise<Values> {
  return besideTimer('pingpong', () =>
    rate('pingpong', size, () => {
      const over = gate.after(1);
      serve(size - 1);
      return over;
    }),
  );
}

/** `size` messages handled by `actors` that always have one: each sends itself the next, `start(index, times)` the first. */
export function keepBusy(
  size: number,
  gate: Gate,
  actors: number,
  start: (index: number, times: number) => void,
): Promise<Values> {
  const times = Math.floor(size / actors);
  return besideTimer('busy', () =>
    rate('busy', times * actors, () => {
      const over = gate.after(times * actors);
      for (let index = 0; index < actors; index++) start(index, times);
      return over;
    }),
  );
}

/** Sends one token `size` hops around a ring; whoever gets it with 0 left hits the gate. */
export function sendRound(size: number, gate: Gate, first: (hops: number) => void): Promise<Values> {
  return rate('ring', size, () => {
    const over = gate.after(1);
    first(size - 1);
    return over;
  });
}
