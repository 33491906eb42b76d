import { discoverySuite } from '@foundation-ts/testing/discovery-suite';
import type { Answer } from 'dns-packet';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type DnsSrvInit, dnsSrv } from '../src/dns-srv.js';
import { type TestContext, testContext, until, Watching } from './context.js';
import { FakeNameServer, responseTo } from './name-server.js';

const query = '_foundation._tcp.shop.internal';
const srv = (target: string, port: number, ttl = 60): Answer => ({
  type: 'SRV',
  name: query,
  ttl,
  data: { target, port, priority: 0, weight: 0 },
});
const a = (name: string, data: string): Answer => ({ type: 'A', name, ttl: 60, data });
const aaaa = (name: string, data: string): Answer => ({ type: 'AAAA', name, ttl: 60, data });

discoverySuite('dnsSrv', async () => {
  const server = await FakeNameServer.start();
  server.records = [
    srv('a.internal', 1),
    srv('b.internal', 2),
    a('a.internal', '10.0.0.1'),
    aaaa('b.internal', 'fd00::2'),
  ];
  return {
    strategy: () => dnsSrv({ query, pollInterval: 50, servers: server.servers }),
    names: [
      { protocol: 'tcp', host: '10.0.0.1', port: 1 },
      { protocol: 'tcp', host: 'fd00::2', port: 2 },
    ],
    breakLookups: () => {
      server.code = 2;
    },
    dispose: () => server.stop(),
  };
});

describe('dnsSrv', () => {
  let server: FakeNameServer;
  const contexts: TestContext[] = [];

  const watch = (init: Partial<DnsSrvInit> = {}) => {
    const ctx = testContext();
    contexts.push(ctx);
    return { ctx, watching: new Watching(dnsSrv({ query, pollInterval: 20, servers: server.servers, ...init }), ctx) };
  };

  beforeEach(async () => {
    server = await FakeNameServer.start();
  });

  afterEach(() => {
    for (const ctx of contexts.splice(0)) ctx.abort();
    server.stop();
  });

  const first = async (init: Partial<DnsSrvInit> = {}) => {
    const { watching, ctx } = watch(init);
    await until(() => watching.values.length > 0, 'a first value');
    return { names: watching.last, ctx, watching };
  };

  test('names every address of every target, at its port', async () => {
    server.records = [
      srv('a.internal', 1),
      srv('a.internal', 2),
      a('a.internal', '10.0.0.1'),
      a('a.internal', '10.0.0.2'),
      aaaa('a.internal', 'fd00::1'),
    ];
    expect((await first({ protocol: 'ws' })).names).toEqual([
      'ws://10.0.0.1:1',
      'ws://10.0.0.1:2',
      'ws://10.0.0.2:1',
      'ws://10.0.0.2:2',
      'ws://[fd00::1]:1',
      'ws://[fd00::1]:2',
    ]);
  });

  test('takes the addresses that came along, and asks for the others only', async () => {
    server.records = [a('b.internal', '10.0.0.2')];
    server.handler = asked => {
      const additionals = [a('a.internal', '10.0.0.1'), a('stranger.internal', '6.6.6.6')];
      if (asked.type !== 'SRV') return asked.reply(server.answer(asked));
      asked.reply(responseTo(asked, { answers: [srv('a.internal', 1), srv('b.internal', 2)], additionals }));
    };
    expect((await first()).names).toEqual(['tcp://10.0.0.1:1', 'tcp://10.0.0.2:2']);
    expect(server.queries.slice(0, 3).map(({ type, name }) => `${type} ${name}`)).toEqual([
      `SRV ${query}`,
      'A b.internal',
      'AAAA b.internal',
    ]);
  });

  test('knows that there is decidedly no such service', async () => {
    server.records = [srv('.', 0)];
    const { names, ctx } = await first();
    expect(names).toEqual([]);
    expect(ctx.failures).toEqual([]);
  });

  test('keeps the addresses of a target that can not be resolved, while it is one', async () => {
    server.records = [
      srv('a.internal', 1, 0),
      srv('b.internal', 2, 0),
      a('a.internal', '10.0.0.1'),
      a('b.internal', '10.0.0.2'),
    ];
    const { watching, ctx } = await first();
    expect(watching.last).toEqual(['tcp://10.0.0.1:1', 'tcp://10.0.0.2:2']);
    const honest = server.handler;
    server.handler = asked =>
      asked.name === 'a.internal' ? asked.reply(responseTo(asked, { code: 2 })) : honest(asked);
    server.records = [srv('a.internal', 1, 0), srv('b.internal', 2, 0), a('b.internal', '10.0.0.3')];
    await until(() => watching.values.length === 2, 'the change of the other target');
    expect(watching.last).toEqual(['tcp://10.0.0.1:1', 'tcp://10.0.0.3:2']);
    server.records = [srv('b.internal', 2, 0), a('b.internal', '10.0.0.3')];
    await until(() => watching.values.length === 3, 'the end of the target');
    expect(watching.last).toEqual(['tcp://10.0.0.3:2']);
    expect(ctx.failures).toEqual([]);
  });

  test('holds a failing query for a failure', async () => {
    server.records = [srv('a.internal', 1), a('a.internal', '10.0.0.1')];
    const { watching, ctx } = await first();
    server.code = { SRV: 2 };
    await until(() => ctx.failures.length > 1, 'failures');
    expect(watching.values).toHaveLength(1);
    expect(ctx.failures[0]?.message).toContain(`the SRV records of '${query}'`);
  });

  test('asks for a thousand targets at most, few at a time', async () => {
    let [open, most] = [0, 0];
    const many = Array.from({ length: 1_500 }, (_, index) => ({
      ...srv(`t${index}`, 1),
      name: 'x',
      data: { target: `t${index}`, port: 1, priority: index, weight: 0 },
    })) as Answer[];
    server.handler = asked => {
      if (asked.type === 'SRV') {
        return asked.reply(responseTo(asked, asked.via === 'udp' ? { truncated: true } : { answers: many }));
      }
      most = Math.max(most, ++open);
      const answers = asked.type === 'A' ? [a(asked.name, `10.1.${Number(asked.name.slice(1)) >> 8}.1`)] : [];
      setImmediate(() => {
        open--;
        asked.reply(responseTo(asked, { answers }));
      });
    };
    const warnings: Error[] = [];
    const warned = (warning: Error): unknown => warnings.push(warning);
    process.on('warning', warned);
    const { watching } = watch({ query: 'x' });
    await until(() => watching.values.length > 0, 'a first value', 15_000);
    process.off('warning', warned);
    expect(warnings).toEqual([]);
    expect(most).toBeLessThanOrEqual(16);
    const targets = server.queries.filter(({ type }) => type === 'A').map(({ name }) => name);
    expect(new Set(targets).size).toBe(1_024);
    expect(targets).not.toContain('t1024');
  });

  test.each<[Record<string, unknown>, string]>([
    [{ query: '' }, "Option 'query' is ''"],
    [{}, "Option 'query' is undefined"],
    [{ query, protocol: '' }, "Option 'protocol' is ''"],
    [{ query, pollInterval: Number.NaN }, "Option 'pollInterval' is NaN"],
    [{ query, port: 1 }, "dnsSrv has no option 'port'"],
  ])('refuses %j', (init, message) => {
    expect(() => dnsSrv(init as never)).toThrow(
      expect.objectContaining({ code: 'invalid-option', message: expect.stringContaining(message) }),
    );
  });
});
