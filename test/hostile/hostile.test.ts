import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Arena, figures } from './arena.js';
import { attacksOn, forbidden } from './attacks.js';
import { runMutations } from './mutation.js';
import { faults } from './verdict.js';

const seed = Number(process.env.HOSTILE_SEED ?? 1);
const frames = Number(process.env.HOSTILE_FRAMES ?? 20_000);

describe('a node under attack lives, stays bounded, and serves a healthy peer', () => {
  let arena: Arena;
  beforeAll(async () => {
    arena = await Arena.start({ seed });
  });
  afterAll(async () => {
    await arena[Symbol.asyncDispose]();
  });

  test.each(attacksOn('tcp').map(attack => [attack.name, attack] as const))('%s', async (name, attack) => {
    const verdict = await arena.run(name, given => attack.run(given));
    expect(faults(verdict, attack), figures(verdict)).toEqual([]);
  });

  test('frames of a session that are mutated', async () => {
    let mutated = {};
    // One that knows no invented members: each session is told of all.
    await using fresh = await Arena.start({ seed });
    const verdict = await fresh.run(`mutated frames (seed ${seed})`, async given => {
      mutated = await runMutations(given, { seed, frames });
    });
    console.log(`${figures(verdict)}; ${JSON.stringify(mutated)}; again: npm run test:hostile -- --seed ${seed}`);
    expect(faults(verdict, { name: '', told: /transport\.peer\.closed protocol/, heap: 64 })).toEqual([]);
  }, 300_000);
});

// All of them run there by `npm run test:hostile -- --transport …`; here what is only there.
describe.each(['tls', 'ws'] as const)('a node under attack over %s', wire => {
  let arena: Arena;
  beforeAll(async () => {
    arena = await Arena.start({ seed, transport: wire, permissions: wire === 'tls' });
  });
  afterAll(async () => {
    await arena[Symbol.asyncDispose]();
  });
  const only = attacksOn(wire).filter(({ on, slow }) => on?.length === 1 && slow !== true);
  const own = wire === 'tls' ? [...only, ...forbidden] : only;

  test(`${own.length} attacks that are only there, one after the other`, async () => {
    const verdict = await arena.run(`attacks over ${wire}`, async given => {
      for (const attack of own) await attack.run(given);
    });
    expect(faults(verdict, { name: '', told: /transport\.handshake\.failed/ }), figures(verdict)).toEqual([]);
  });

  test('frames of a session that are mutated', async () => {
    const verdict = await arena.run(`mutated frames (seed ${seed})`, async given => {
      await runMutations(given, { seed, frames: 200 });
    });
    expect(faults(verdict, { name: '', told: /transport\.peer\.closed protocol/, heap: 64 })).toEqual([]);
  });
});
