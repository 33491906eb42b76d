import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Running, Values } from '../bench.js';
import { callRepeatedly } from '../local/work.js';
import { type Link, openSide } from './link.js';
import { mib, text, toldEach } from './work.js';

/** Casts of one turn of the event loop. */
const turn = 1_000;
/** Casts on their way at most. */
const castsOnTheWay = 5 * toldEach;
/** Calls of 1 MiB on their way. */
const mibsOnTheWay = 4;

const nextTurn = () => new Promise(resolve => setImmediate(resolve));

/** What the other process has told of the casts that it has handled. */
export class Tellings {
  #handled = 0;
  #awaited = 0;
  #resolve: () => void = () => {};

  tell(): void {
    this.#handled += toldEach;
    if (this.#handled >= this.#awaited) this.#resolve();
  }

  /** Resolves when that many casts have been handled since the start. */
  async reach(count: number): Promise<void> {
    if (this.#handled >= count) return;
    this.#awaited = count;
    await new Promise<void>(resolve => {
      this.#resolve = resolve;
    });
  }

  get handled(): number {
    return this.#handled;
  }
}

/** By itself, so that what else a turn does has no part in how it is compiled. */
function castTurn(link: Link): void {
  for (let index = 0; index < turn; index++) link.cast(text);
}

/** Casts so many messages, or a little more; casts a second from the first until the last is handled. */
export async function castInTurns(metric: string, size: number, link: Link, told: Tellings): Promise<Values> {
  const count = Math.ceil(size / toldEach) * toldEach;
  const before = told.handled;
  const start = performance.now();
  for (let sent = 0; sent < count; sent += turn) {
    castTurn(link);
    await nextTurn();
    await told.reach(before + sent + turn - castsOnTheWay);
  }
  await told.reach(before + count);
  return { [metric]: (count * 1_000) / (performance.now() - start) };
}

export type Task = (metric: string, size: number, link: Link, told: Tellings) => Promise<Values>;

export const tasks = {
  callSequence: (metric, size, link) => callRepeatedly(metric, size, 1, () => link.call(text)),
  callHundred: (metric, size, link) => callRepeatedly(metric, size, 100, () => link.call(text)),
  cast: castInTurns,
  mib: async (metric, size, link) => {
    const { [metric]: calls = 0 } = await callRepeatedly(metric, size, mibsOnTheWay, () => link.call(mib));
    return { [metric]: (calls * mib.length) / 1e9 };
  },
} satisfies Readonly<Record<string, Task>>;

/** Starts the other process, dials it, and lets each round do the task. */
export async function startPair(metric: string, sideName: string, task: Task): Promise<Running> {
  const server = fork(join(import.meta.dirname, 'server.js'), [sideName]);
  const [where] = (await Promise.race([
    once(server, 'message'),
    once(server, 'exit').then(([code]) => {
      throw new Error(`The server of '${sideName}' ended with exit code ${code}.`);
    }),
  ])) as [string];
  const told = new Tellings();
  const link = await (await openSide(sideName)).dial(where, () => told.tell());
  return {
    round: size => task(metric, size, link, told),
    close: async () => {
      await link.close?.();
      server.kill();
    },
  };
}
