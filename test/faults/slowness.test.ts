import { afterEach, describe, expect, test } from 'vitest';
import type { Calls, Measure, Where } from '../hostile/arena.js';
import { Program } from '../hostile/program.js';
import { RawPeer } from '../hostile/raw-peer.js';
import { until } from '../support/until.js';

const MIB = 1024 * 1024;
const long = process.env.FAULTS_LONG === '1';
const wait = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));
const programs: Program[] = [];

async function nodes(...names: string[]): Promise<{ all: Program[]; port: number; incarnation: number }> {
  const all: Program[] = [];
  let first: Where | undefined;
  for (const name of names) {
    const program = await Program.start('node', name, String(first?.port ?? 0));
    programs.push(program);
    all.push(program);
    first ??= await program.ask<Where>('where');
  }
  const alive = (program: Program): Promise<string[]> => program.ask<string[]>('members');
  await until(
    async () =>
      (await Promise.all(all.map(alive))).every(
        seen => seen.filter(one => / up true$/.test(one)).length === names.length,
      ),
    () => 'the nodes to see each other',
  );
  for (const program of all) await program.ask('measure');
  return { all, port: first?.port ?? 0, incarnation: first?.incarnation ?? 0 };
}

/** What a node has seen happen to members since the last question. */
const seen = async (program: Program): Promise<readonly string[]> => (await program.ask<Measure>('measure')).members;

afterEach(async () => {
  await Promise.all(programs.splice(0).map(program => program[Symbol.asyncDispose]()));
});

describe('slowness', () => {
  test('17: an event loop that a handler keeps for 3 s brings nobody down, on either side', async () => {
    const { all } = await nodes('a', 'b', 'c');
    const [a, b, c] = all as [Program, Program, Program];
    await a.ask('call', 'b');
    await wait(1_200);
    await b.ask('stall', 3_000);
    await wait(5_000);
    expect([await seen(a), await seen(b), await seen(c)]).toEqual([[], [], []]);
    const calls = await a.ask<Calls>('calls');
    expect(calls.failures).toEqual([]);
    expect(calls.max).toBeGreaterThan(2_500);
  });

  test(`18: SIGSTOP for ${long ? 60 : 9} s: unreachable, not down; back after SIGCONT, with calls answered`, async () => {
    const { all } = await nodes('a', 'b');
    const [a, b] = all as [Program, Program];
    b.process.kill('SIGSTOP');
    const happened: string[] = [];
    const stopped = performance.now();
    await until(
      async () => {
        happened.push(...(await seen(a)));
        return happened.includes('unreachable b');
      },
      () => 'a to see b unreachable',
      20_000,
    );
    await wait(Math.max(0, (long ? 60_000 : 9_000) - (performance.now() - stopped)));
    b.process.kill('SIGCONT');
    await until(
      async () => {
        happened.push(...(await seen(a)));
        return happened.includes('reachable b');
      },
      () => `a to see b again: ${happened}`,
      20_000,
    );
    expect(happened).not.toContain('down b');
    expect(await a.ask('casts', 'b')).toBe(0);
    expect(await b.ask('casts', 'a')).toBe(0);
  }, 120_000);

  test("19: 64 MiB of bulk on 'data' leave heartbeats and others' calls alone", async () => {
    const { all } = await nodes('a', 'b', 'c');
    const [a, b, c] = all as [Program, Program, Program];
    await c.ask('call', 'b');
    await wait(300);
    await c.ask('calls');
    // A queue holds 64 MiB.
    await a.ask('bulk', { on: 'b', bytes: 15 * MIB, times: 4 });
    await until(
      async () => (await a.ask<number>('casts', 'b')) === 4,
      () => 'the bulk to arrive',
      20_000,
    );
    const calls = await c.ask<Calls>('calls');
    expect(calls.failures).toEqual([]);
    expect(calls.max).toBeLessThan(2_000);
    expect([await seen(a), await seen(b), await seen(c)]).toEqual([[], [], []]);
  });

  test('20: a peer that never reads: memory stays bounded, the others notice nothing', async () => {
    const { all, port } = await nodes('a', 'b');
    const [a, b] = all as [Program, Program];
    await b.ask('call', 'a');
    const before = await a.ask<Measure>('measure');
    const deaf = await RawPeer.open({ port, name: 'deaf', incarnation: Date.now(), reads: false });
    // 320 MiB, of which the queue takes 64 and refuses the rest; the last 100 of those are kept as dead letters.
    await a.ask('bulk', { on: 'deaf', bytes: MIB / 16, times: 320 * 16 });
    await wait(1_500);
    const after = await a.ask<Measure>('measure');
    expect(after.external + after.heapUsed - before.external - before.heapUsed).toBeLessThan(110 * MIB);
    const calls = await b.ask<Calls>('calls');
    expect(calls.failures).toEqual([]);
    expect(calls.count).toBeGreaterThan(20);
    await deaf.link.end();
    await until(
      async () => {
        const { external, heapUsed } = await a.ask<Measure>('measure');
        return external + heapUsed - before.external - before.heapUsed < 32 * MIB;
      },
      () => 'what waited for the deaf peer to be given up',
      20_000,
    );
  });

  test('20: a fast producer, and a slow consumer elsewhere: offers wait, casts are refused, memory stays bounded', async () => {
    const { all } = await nodes('a', 'b', 'c');
    const [a, b, c] = all as [Program, Program, Program];
    await c.ask('call', 'b');
    const before = await b.ask<Measure>('measure');
    const offered = await a.ask('flood', { on: 'b', how: 'offer', count: 1_000, bytes: 1_000 });
    expect(offered).toEqual({ ok: 1_000 });
    await until(
      async () => (await a.ask<number>('handled', 'b').catch(() => 0)) === 1_000,
      () => 'all offers to be handled',
      20_000,
    );
    await a.ask('flood', { on: 'b', how: 'cast', count: 50_000, bytes: 1_000 });
    const after = await b.ask<Measure>('measure');
    expect(after.heapUsed - before.heapUsed).toBeLessThan(32 * MIB);
    const calls = await c.ask<Calls>('calls');
    expect(calls.failures).toEqual([]);
    expect(calls.max).toBeLessThan(4_000);
  });
});

describe('configuration', () => {
  test('25: a peer of another range of protocol versions gets a typed refusal, and so does the log', async () => {
    // The bytes are those of test/hostile (a protocol range that is only newer); here: the code that a dialler gets to hear.
    const { beginHandshake, stepHandshake, PROTOCOL_MAX } = await import('@foundation-ts/transport');
    const { all, port } = await nodes('a');
    const [a] = all as [Program];
    const { RawSocket } = await import('../hostile/raw-peer.js');
    const [state, effects] = beginHandshake({
      role: 'dialler',
      clusterId: 'hostile',
      name: 'newer',
      incarnation: 1,
      secret: new Uint8Array(32),
      nonce: new Uint8Array(32).fill(1),
    });
    const hello = Buffer.from((effects[0] as { readonly frame: Uint8Array }).frame);
    hello[5] = PROTOCOL_MAX + 1;
    hello[6] = PROTOCOL_MAX + 1;
    const socket = await new RawSocket(port).opened();
    const heard: unknown[] = [];
    socket.onFrame(bytes => {
      for (const effect of stepHandshake(state, { type: 'frame', bytes })[1])
        if (effect.type === 'failed') heard.push(effect.error.code);
    });
    socket.write(hello);
    await until(
      () => socket.closed,
      () => 'the connection to be closed',
    );
    expect(heard).toEqual(['incompatible']);
    expect((await a.ask<Measure>('measure')).counts).toMatchObject({ 'transport.handshake.failed incompatible': 1 });
  });

  test('27: a full mailbox: who calls from elsewhere hears mailbox-full', async () => {
    const { all } = await nodes('a', 'b');
    const [a] = all as [Program];
    await a.ask('flood', { on: 'b', how: 'cast', count: 2_000, bytes: 10 });
    const outcomes = await a.ask<Record<string, number>>('flood', { on: 'b', how: 'call', count: 50, bytes: 10 });
    expect(outcomes['mailbox-full']).toBeGreaterThan(0);
    expect(Object.keys(outcomes).filter(outcome => outcome !== 'ok' && outcome !== 'mailbox-full')).toEqual([]);
  });
});
