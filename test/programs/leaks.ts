/**
 * Sends ten million casts and a million calls, and starts and stops a million actors, in rounds, and prints how much of the heap each kind of round retained.
 * With SEEDED_LEAK=1 it keeps a ref of every actor that it starts. Needs --expose-gc.
 */
import { ActorSystem, actor, localRegistry, silentLog } from '@foundation-ts/core';

const ROUNDS = 10;
const CASTS = Number(process.env.CASTS ?? 10_000_000) / ROUNDS;
const ACTORS = Number(process.env.ACTORS ?? 1_000_000) / ROUNDS;
const BATCH = 10_000;
const keeps = process.env.SEEDED_LEAK === '1';
const kept: unknown[] = [];

const { gc } = globalThis as { readonly gc?: () => void };
if (gc === undefined) throw new Error('start it with --expose-gc');
const collect = gc;

const Sink = actor({
  name: 'sink',
  init: () => ({ handled: 0 }),
  calls: { handled: s => s.handled, ask: (_s, n: number) => n },
  casts: {
    take: s => {
      s.handled++;
    },
  },
});
const Short = actor({
  name: 'short',
  init: (peer: import('@foundation-ts/core').Ref, ctx) => {
    registry.register(ctx, 'short');
    ctx.after(60_000, 'never');
    ctx.monitor(peer);
    return { peer };
  },
  casts: { never: () => {}, take: () => {} },
  onDown: () => {},
});

const system = new ActorSystem({ log: silentLog });
const registry = localRegistry(system, { keys: 'duplicate' });
const sink = await system.spawn(Sink());

async function castRound(): Promise<void> {
  for (let sent = 0; sent < CASTS; sent += BATCH) {
    for (let n = 0; n < BATCH; n++) sink.cast('take');
    await sink.call('handled');
  }
}

const { signal } = new AbortController();

/** Each under a deadline, every tenth under one signal that outlives them all. */
async function callRound(): Promise<void> {
  for (let sent = 0; sent < CASTS / 10; sent += 100) {
    await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        sink.call('ask', n, { timeout: n + 1_000, ...(n % 10 === 0 ? { signal } : {}) }),
      ),
    );
  }
}

async function spawnRound(): Promise<void> {
  for (let started = 0; started < ACTORS; started += 1_000) {
    for (let n = 0; n < 1_000; n++) {
      const ref = await system.spawn(Short(sink));
      ref.cast('take');
      if (keeps) kept.push(ref);
      system.exit(ref.pid, n % 2 === 0 ? 'kill' : 'shutdown');
    }
    await new Promise<void>(resolve => setImmediate(resolve));
  }
}

async function settled(): Promise<number> {
  for (let turn = 0; turn < 3; turn++) {
    await new Promise<void>(resolve => setImmediate(resolve));
    collect();
  }
  return process.memoryUsage().heapUsed;
}

/** How much more of the heap is in use after all rounds than after the first half, which also warms the engine up. */
async function retained(round: () => Promise<void>): Promise<number> {
  for (let n = 0; n < ROUNDS / 2; n++) await round();
  const before = await settled();
  for (let n = ROUNDS / 2; n < ROUNDS; n++) await round();
  return (await settled()) - before;
}

const casts = await retained(castRound);
const calls = await retained(callRound);
const actors = await retained(spawnRound);
const handled = await sink.call('handled');
console.log(
  JSON.stringify({
    casts,
    calls,
    actors,
    handled,
    left: system.processCount,
    registered: registry.count,
    kept: kept.length,
  }),
);
