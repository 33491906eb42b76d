import { ClusterNode } from '@foundation-ts/cluster';
import { type AnyDefinition, actor, type Context, type Ref, silentLog } from '@foundation-ts/core';
import { tcp } from '@foundation-ts/transport/tcp';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { until } from '../support/until.js';

const MIB = 1024 * 1024;
const Sender = actor({
  name: 'sender',
  init: () => ({}),
  calls: { ping: () => 'pong' },
  casts: { do: (_s, step: (ctx: Context) => void, ctx) => step(ctx) },
});
const Watcher = actor({
  name: 'watcher',
  init: (told: (what: string) => void) => told,
  trapExit: true,
  calls: {
    watch: async (_told, sender: Ref<typeof Sender>, ctx) => {
      ctx.monitor(sender);
      ctx.link(sender);
      // Behind these two.
      await ctx.call(sender, 'ping');
    },
  },
  casts: { take: (told, value: Uint8Array) => told(`${value.length / MIB} MiB`) },
  onDown: told => told('down'),
  onExit: told => told('exit'),
});
const Victim = actor({
  name: 'victim',
  init: (told: (what: string) => void) => told,
  casts: { take: (told, value: Uint8Array) => told(`${value.length / MIB} MiB`) },
  terminate: told => told('ended'),
});

let nodes: ClusterNode[];
beforeEach(async () => {
  nodes = await Promise.all(
    ['a', 'b'].map(name =>
      ClusterNode.start({
        name,
        clusterId: 'signals',
        transport: tcp(),
        log: silentLog,
        joinTimeout: 0,
        definitions: [Sender, Watcher, Victim] as AnyDefinition[],
        channels: [{ name: 'control' }, { name: 'data' }, { name: 'bulk' }],
      }),
    ),
  );
  const [a, b] = nodes as [ClusterNode, ClusterNode];
  await a.connect(b.address as NonNullable<typeof b.address>);
  await until(
    () => b.visible().length === 2,
    () => 'both to know each other',
  );
});
afterEach(() => Promise.all(nodes.map(node => node.stop())));

test('over TCP a down and a trapped exit are handled after the 8 MiB that their sender sent before, on data and on bulk', async () => {
  const [a, b] = nodes as [ClusterNode, ClusterNode];
  for (const channel of ['data', 'bulk']) {
    const told: string[] = [];
    let all: () => void = () => {};
    const complete = new Promise<void>(resolve => {
      all = resolve;
    });
    const watcher = await b.spawn(
      Watcher(what => {
        if (told.push(what) === 4) all();
      }),
    );
    const sender = await a.spawn(Sender());
    await watcher.call('watch', b.ref<typeof Sender>(sender.pid));
    const there = a.ref<typeof Watcher>(watcher.pid);
    sender.cast('do', ctx => {
      ctx.cast(there, 'take', new Uint8Array(8 * MIB), { channel });
      ctx.cast(there, 'take', new Uint8Array(MIB), { channel });
      ctx.stop('shutdown');
    });
    await complete;
    expect(told.slice(0, 2)).toEqual(['8 MiB', '1 MiB']);
    expect(told.slice(2).sort()).toEqual(['down', 'exit']);
  }
});

test('over TCP a kill does not wait for the 64 MiB that were sent before it', async () => {
  const [a, b] = nodes as [ClusterNode, ClusterNode];
  const told: string[] = [];
  const victim = await b.spawn(Victim(what => told.push(what)));
  const there = a.ref<typeof Victim>(victim.pid);
  const payload = new Uint8Array(16 * MIB);
  for (let index = 0; index < 4; index++) there.cast('take', payload);
  expect(await a.system.stop(there)).toBe('shutdown');
  expect(told).toEqual(['ended']);
});
