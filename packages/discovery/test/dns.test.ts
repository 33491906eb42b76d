import { createSocket } from 'node:dgram';
import { readdirSync, readlinkSync } from 'node:fs';
import { discoverySuite } from '@foundation-ts/testing/discovery-suite';
import type { Answer } from 'dns-packet';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type DnsInit, dns } from '../src/dns.js';
import { askTcp, askUdp } from '../src/dns-exchange.js';
import type { Advertised } from '../src/index.js';
import { type TestContext, testContext, until, Watching } from './context.js';
import { FakeNameServer, responseTo } from './name-server.js';

const query = 'shop.internal';
const a = (data: string, ttl = 60): Answer => ({ type: 'A', name: query, data, ttl });
const aaaa = (data: string, ttl = 60): Answer => ({ type: 'AAAA', name: query, data, ttl });

discoverySuite('dns', async () => {
  const server = await FakeNameServer.start();
  server.records = [a('10.0.0.1'), a('10.0.0.2'), a('10.0.0.2'), aaaa('fd00::1')];
  const port = 40_001; // where the suite's first node listens
  const names = ['10.0.0.1', '10.0.0.2', 'fd00::1'].map(host => ({ protocol: 'tcp', host, port }));
  return {
    strategy: () => dns({ query, port, pollInterval: 50, servers: server.servers }),
    names,
    breakLookups: () => {
      server.code = 2;
    },
    dispose: () => server.stop(),
  };
});

describe('dns', () => {
  let server: FakeNameServer;
  const contexts: TestContext[] = [];

  const context = (address?: Advertised['address']): TestContext => {
    const ctx = testContext();
    contexts.push(ctx);
    return { ...ctx, self: { ...ctx.self, address } };
  };

  const watch = (init: Partial<DnsInit> = {}, ctx = context()) => {
    const strategy = dns({ query, pollInterval: 20, servers: server.servers, ...init });
    return { ctx, watching: new Watching(strategy, ctx) };
  };

  beforeEach(async () => {
    server = await FakeNameServer.start();
  });

  afterEach(() => {
    for (const ctx of contexts.splice(0)) ctx.abort();
    server.stop();
  });

  const firstValue = async (init: Partial<DnsInit> = {}): Promise<readonly string[] | undefined> => {
    const { watching, ctx } = watch(init);
    await until(() => watching.values.length + ctx.failures.length > 0, 'a first value');
    expect(ctx.failures).toEqual([]);
    return watching.last;
  };

  test('names A and AAAA records at the port and protocol given', async () => {
    server.records = [a('10.0.0.1'), aaaa('fd00:0:0::1')];
    expect(await firstValue({ port: 9, protocol: 'ws' })).toEqual(['ws://10.0.0.1:9', 'ws://[fd00::1]:9']);
  });

  test('takes port and protocol of its own node, or else tcp and 4370', async () => {
    server.records = [a('10.0.0.1')];
    const { watching } = watch({}, context({ protocol: 'ws', host: 'me', port: 80 }));
    await until(() => watching.values.length > 0, 'a first value');
    expect(watching.last).toEqual(['ws://10.0.0.1:80']);
    expect(await firstValue()).toEqual(['tcp://10.0.0.1:4370']);
  });

  test('asks for one family only where told so', async () => {
    server.records = [a('10.0.0.1'), aaaa('fd00::1')];
    expect(await firstValue({ family: 4 })).toEqual(['tcp://10.0.0.1:4370']);
    expect(server.queries.some(({ type }) => type === 'AAAA')).toBe(false);
    expect(await firstValue({ family: 6 })).toEqual(['tcp://[fd00::1]:4370']);
  });

  test('follows an alias', async () => {
    server.records = [
      { type: 'CNAME', name: query, data: 'b.internal' },
      { type: 'A', name: 'b.internal', data: '10.0.0.7' },
    ];
    server.handler = asked =>
      asked.reply(responseTo(asked, { answers: asked.type === 'A' ? [...server.records] : [] }));
    expect(await firstValue()).toEqual(['tcp://10.0.0.7:4370']);
  });

  test('opens nothing for a watch that ended between two questions', async () => {
    const { clock, random } = context();
    const exchange = {
      ...{ clock, random, signal: AbortSignal.abort(new Error('ended')), plain: false, timeout: 100 },
      ...{ server: { host: '127.0.0.1', port: server.port }, question: { name: query, type: 'A' as const } },
      dropped: () => {},
    };
    await expect(askTcp(exchange)).rejects.toThrow('ended');
    await expect(askUdp(exchange)).rejects.toThrow('ended');
    expect(server.queries).toEqual([]);
  });

  test('asks on for the target of an alias that a server left out, and holds a circle for a failure', async () => {
    const alias = (name: string, data: string): Answer => ({ type: 'CNAME', name, data, ttl: 60 });
    server.records = [alias(query, 'b.internal'), { type: 'A', name: 'b.internal', data: '10.0.0.7' }];
    server.handler = asked => {
      const answers = server.records.filter(({ name, type }) => name === asked.name && type !== 'AAAA');
      asked.reply(
        responseTo(asked, { answers: answers.filter(({ type }) => type === 'CNAME' || type === asked.type) }),
      );
    };
    const { watching, ctx } = watch({ family: 4 });
    await until(() => watching.values.length > 0, 'a first value');
    expect(watching.last).toEqual(['tcp://10.0.0.7:4370']);
    server.records = [alias(query, 'b.internal'), alias('b.internal', query)];
    await until(() => ctx.failures.length > 0, 'the failure');
    expect(ctx.failures[0]?.message).toContain("'shop.internal' is an alias");
    expect(watching.values).toHaveLength(1);
  });

  test('follows changes, and is not upset by an answer that is empty once', async () => {
    server.records = [a('10.0.0.1', 0)];
    const { watching, ctx } = watch();
    await until(() => watching.values.length === 1, 'the first set');
    let empties = 0;
    server.handler = asked => {
      if (asked.type === 'A' && ++empties > 1) server.handler = again => again.reply(server.answer(again));
      asked.reply(responseTo(asked, { code: 3 }));
    };
    await until(() => empties === 2, 'an empty answer or two');
    server.records = [a('10.0.0.1', 0), a('10.0.0.2', 0)];
    await until(() => watching.values.length === 2, 'the second set');
    server.records = [];
    await until(() => watching.values.length === 3, 'that there is nobody');
    expect(watching.values).toEqual([['tcp://10.0.0.1:4370'], ['tcp://10.0.0.1:4370', 'tcp://10.0.0.2:4370'], []]);
    expect(ctx.failures).toEqual([]);
  });

  test('does not lose the one family when the other fails', async () => {
    server.records = [a('10.0.0.1'), aaaa('fd00::1')];
    const { watching, ctx } = watch();
    await until(() => watching.values.length === 1, 'the first set');
    server.code = { AAAA: 2 };
    server.records = [a('10.0.0.2')];
    await until(() => watching.values.length === 2, 'the second set');
    expect(watching.last).toEqual(['tcp://10.0.0.2:4370', 'tcp://[fd00::1]:4370']);
    expect(ctx.failures).toEqual([]);
  });

  test.each([
    ['SERVFAIL', 2],
    ['REFUSED', 5],
    ['response code 9', 9],
  ])('holds %s for a failure, and says who said so', async (text, code) => {
    server.records = [a('10.0.0.1')];
    const { watching, ctx } = watch();
    await until(() => watching.values.length === 1, 'the first set');
    server.code = code;
    await until(() => ctx.failures.length > 0, 'the failure');
    expect(ctx.failures[0]).toMatchObject({
      code: 'noconnection',
      message: `No name server answered for the A records of 'shop.internal' (${server.address} says ${text}); see that they run, or give others as 'servers'.`,
    });
    server.code = 0;
    server.records = [a('10.0.0.2')];
    await until(() => watching.values.length === 2, 'the recovery');
    expect(watching.last).toEqual(['tcp://10.0.0.2:4370']);
  });

  test('holds an answer that only refers to others for a failure', async () => {
    const authorities = [{ type: 'NS', name: 'internal', data: 'ns.internal' }] as const;
    server.handler = asked => asked.reply(responseTo(asked, { authorities: [...authorities] }));
    const { ctx } = watch();
    await until(() => ctx.failures.length > 0, 'the failure');
    expect(ctx.failures[0]?.message).toContain('it is no resolver');
  });

  test('asks the next server when one does not answer', async () => {
    const deaf = await FakeNameServer.start();
    deaf.handler = () => {};
    const closed = await FakeNameServer.start();
    const gone = closed.address;
    closed.stop();
    server.records = [a('10.0.0.1')];
    try {
      expect(await firstValue({ servers: [gone, deaf.address, server.address] })).toEqual(['tcp://10.0.0.1:4370']);
      expect(deaf.queries.length).toBeGreaterThan(0);
    } finally {
      deaf.stop();
    }
  });

  test('asks without options where a server knows none', async () => {
    server.records = [a('10.0.0.1')];
    server.handler = asked => {
      const old = (asked.packet.additionals?.length ?? 0) > 0;
      asked.reply(old ? Buffer.from(responseTo(asked, { code: 1, questions: [] })) : server.answer(asked));
    };
    expect(await firstValue()).toEqual(['tcp://10.0.0.1:4370']);
  });

  test('takes an answer that is too long for a datagram over TCP', async () => {
    const many = Array.from({ length: 2_000 }, (_, index) => a(`10.1.${index >> 8}.${index & 255}`));
    server.handler = asked => {
      const answers = asked.type === 'A' ? many : [];
      asked.reply(responseTo(asked, asked.via === 'udp' ? { truncated: true } : { answers }));
    };
    expect(await firstValue()).toHaveLength(2_000);
    expect(server.queries.some(({ via }) => via === 'tcp')).toBe(true);
  });

  test.each(['udp', 'tcp'])('ends while an answer is under way over %s, and leaves nothing open', async via => {
    server.handler = asked => (asked.via === via ? undefined : asked.reply(responseTo(asked, { truncated: true })));
    const before = openSockets();
    const { watching, ctx } = watch();
    await until(() => server.queries.filter(asked => asked.via === via).length === 2, 'the queries');
    if (before !== undefined) expect(openSockets()).toBeGreaterThan(before);
    ctx.abort();
    await watching.ended;
    await until(() => (openSockets() ?? 0) <= (before ?? 0), 'that all sockets are closed');
    expect(ctx.failures).toEqual([]);
  });

  test.each<[Record<string, unknown>, string]>([
    [{ query: '' }, "Option 'query' is ''"],
    [{ query: 'a..b' }, "Option 'query' is 'a..b'"],
    [{ query: '10.0.0.1' }, "Option 'query' is '10.0.0.1'"],
    [{ query: 'x'.repeat(64) }, "Option 'query' is"],
    [{ query: undefined }, "Option 'query' is undefined"],
    [{ query, port: 0 }, "Option 'port' is 0"],
    [{ query, protocol: 'TCP' }, "Option 'protocol' is 'TCP'"],
    [{ query, family: 5 }, "Option 'family' is 5"],
    [{ query, pollInterval: 0 }, "Option 'pollInterval' is 0"],
    [{ query, servers: [] }, "Option 'servers' is an array"],
    [{ query, servers: ['ns.example'] }, "Option 'servers[0]' is 'ns.example'"],
    [{ query, servers: ['10.0.0.1', '10.0.0.1:0'] }, "Option 'servers[1]' is '10.0.0.1:0'"],
    [{ query, servers: ['[10.0.0.1]:53'] }, "Option 'servers[0]' is '[10.0.0.1]:53'"],
    [{ query, server: '10.0.0.1' }, "dns has no option 'server' (did you mean 'servers'?)"],
  ])('refuses %j', (init, message) => {
    expect(() => dns(init as never)).toThrow(
      expect.objectContaining({ code: 'invalid-option', message: expect.stringContaining(message) }),
    );
  });

  test.each(['10.0.0.1', '10.0.0.1:5353', '::1', '[::1]:5353'])('takes %s for a server', given => {
    expect(() => dns({ query: 'Shop.Internal.', servers: [given] })).not.toThrow();
  });

  describe('with hostile name servers', () => {
    const dropped = (ctx: TestContext): unknown[] => ctx.lines.map(({ fields }) => fields.reason);
    const honest = ['tcp://10.0.0.1:4370'];

    beforeEach(() => {
      server.records = [a('10.0.0.1')];
    });

    test.each<[string, (asked: Parameters<FakeNameServer['handler']>[0]) => Uint8Array]>([
      ['wrong-id', asked => responseTo({ ...asked, id: asked.id ^ 1 }, { answers: [a('6.6.6.6')] })],
      ['wrong-question', asked => responseTo({ ...asked, name: 'evil' }, { answers: [a('6.6.6.6')] })],
      ['malformed', asked => responseTo(asked, { answers: [a('6.6.6.6')] }).subarray(0, 40)],
      ['malformed', asked => Buffer.concat([header(asked, 1), Buffer.of(0xc0, header(asked, 1).length)])],
      ['malformed', () => Buffer.alloc(0)],
      ['malformed', asked => Buffer.concat([header(asked, 10_000), Buffer.alloc(60_000, 0xc0)])],
    ])('drops a %s datagram, and takes the honest one after it', async (reason, forge) => {
      server.handler = asked => {
        asked.reply(forge(asked));
        asked.reply(server.answer(asked));
      };
      const { watching, ctx } = watch();
      await until(() => watching.values.length > 0 && server.queries.length > 4, 'the honest answer');
      expect(watching.values).toEqual([honest]);
      expect(dropped(ctx)).toEqual([reason]);
    });

    test('hears no answer from another port', async () => {
      const elsewhere = createSocket('udp4');
      server.handler = asked => {
        const forged = responseTo(asked, {
          answers: [{ ...a('6.6.6.6'), type: asked.type } as never].slice(asked.type === 'A' ? 0 : 1),
        });
        elsewhere.send(forged, asked.port, '127.0.0.1', () => setTimeout(() => asked.reply(server.answer(asked)), 20));
      };
      const { watching, ctx } = watch();
      await until(() => watching.values.length > 0, 'the honest answer');
      elsewhere.close();
      expect(watching.values).toEqual([honest]);
      expect(dropped(ctx)).toEqual([]);
    });

    test('asks over TCP when somebody guesses', async () => {
      server.handler = asked => {
        if (asked.via === 'tcp') return asked.reply(server.answer(asked));
        for (let guess = 0; guess < 100; guess++) {
          asked.reply(responseTo({ ...asked, id: asked.id ^ (1 + guess) }, { answers: [a('6.6.6.6')] }));
        }
        asked.reply(responseTo(asked, { answers: [a('6.6.6.6')] })); // the guess that hit
      };
      expect(await firstValue()).toEqual(honest);
    });

    test.each([
      ['ends the connection at once', (socket: Uint8Array) => socket.subarray(0, 0)],
      ['sends garbage', () => Buffer.alloc(300, 0xff)],
    ])('over TCP one that %s is a failure', async (_, spoil) => {
      server.handler = asked =>
        asked.reply(asked.via === 'udp' ? responseTo(asked, { truncated: true }) : spoil(server.answer(asked)));
      const { ctx } = watch({ servers: server.servers });
      await until(() => ctx.failures.length > 0, 'the failure');
      expect(ctx.failures[0]).toMatchObject({ code: 'noconnection' });
    });

    test('takes 4,096 addresses at most', async () => {
      const many = Array.from({ length: 3_500 }, (_, index) => a(`10.1.${index >> 8}.${index & 255}`));
      const more = Array.from({ length: 1_500 }, (_, index) => aaaa(`fd00::${index.toString(16)}`));
      server.handler = asked => {
        const answers = asked.type === 'A' ? many : more;
        asked.reply(responseTo(asked, asked.via === 'udp' ? { truncated: true } : { answers: compressible(answers) }));
      };
      const { watching, ctx } = watch({ query: 'x' });
      await until(() => watching.values.length > 0, 'a first value');
      expect(watching.last).toHaveLength(4_096);
      expect(dropped(ctx)).toEqual(['too-many']);
    });
  });
});

/** dns-packet compresses nothing, and TCP takes 64 KiB: records of a short name. */
const compressible = (answers: readonly Answer[]): Answer[] => answers.map(one => ({ ...one, name: 'x' }));

/** Header and question of a response that claims records. */
function header(asked: Parameters<FakeNameServer['handler']>[0], records: number): Buffer {
  const bytes = responseTo(asked);
  bytes.writeUInt16BE(records, 6);
  return bytes;
}

/** How many sockets this process has; undefined where the system does not tell. */
function openSockets(): number | undefined {
  if (process.platform !== 'linux') return undefined;
  return readdirSync('/proc/self/fd').filter(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
    } catch {
      return false; // closed meanwhile
    }
  }).length;
}
