import {
  type AnyDefinition,
  actor,
  type Context,
  type ExitReason,
  FoundationError,
  type Ref,
} from '@foundation-ts/core';
import { SimulatedCluster } from '@foundation-ts/testing';
import type { ChannelDeclaration } from '@foundation-ts/transport';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';

type Step = (ctx: Context) => unknown;

/** Does what it is told; on every node, so that what is told never crosses. */
const Puppet = actor({
  name: 'puppet',
  init: () => ({}),
  calls: { run: (_s, step: Step, ctx) => step(ctx) },
  casts: { do: (_s, step: Step, ctx) => void step(ctx) },
});
/** Notes what it gets, and in which order; answers as late and as much as it is told. */
const Listener = actor({
  name: 'listener',
  init: ({ trapExit }: { trapExit: boolean }, ctx) => {
    (ctx as unknown as { process: { trapExit: boolean } }).process.trapExit = trapExit;
    return { seen: [] as unknown[] };
  },
  calls: {
    run: (_s, step: Step, ctx) => step(ctx),
    ask: (_s, value: unknown) => value,
  },
  casts: {
    note: (s, value: unknown) => {
      s.seen.push(brief(value));
    },
    die: (_s, reason: ExitReason, ctx) => ctx.stop(reason),
  },
  onDown: (s, down) => {
    s.seen.push(`down ${told(down.reason)}`);
  },
  onExit: (s, exit) => {
    s.seen.push(`exit ${told(exit.reason)}`);
  },
});

/** What the listeners' handlers do to each value: large ones are known by their first byte. */
function brief(value: unknown): unknown {
  return value instanceof Uint8Array ? `large ${value[0]}` : value;
}

function told(reason: ExitReason): unknown {
  return typeof reason === 'object' && 'shutdown' in reason ? reason.shutdown : reason;
}

const large = (number: number): Uint8Array => new Uint8Array(1_000_000).fill(number);
const CHANNELS: readonly ChannelDeclaration[] = [
  { name: 'control', priority: 10 },
  { name: 'data' },
  { name: 'wide', connections: 3 },
  { name: 'sure', reliability: 'acknowledged' },
  { name: 'newest', monotonic: true },
  { name: 'short', queueMessages: 3, whenFull: 'drop-oldest' },
  { name: 'brief', queueMessages: 3, whenFull: 'drop-newest' },
  { name: 'tight', queueMessages: 3 },
];

let cluster: SimulatedCluster<undefined>;
afterEach(() => cluster.dispose());

/** A link on which a large message takes half a second. */
async function started(channels = CHANNELS, seed = 5): Promise<void> {
  cluster = new SimulatedCluster({
    seed,
    hosts: ['a', 'b'],
    definitions: [Puppet, Listener] as AnyDefinition[],
    services: async () => undefined,
    faults: { delay: 1, jitter: 1, bandwidth: 2_000_000 },
    node: { channels },
  });
  await cluster.start();
  await cluster.formed();
}

interface Pair {
  readonly puppet: Ref<typeof Puppet>;
  readonly listener: Ref<typeof Listener>;
  /** The listener, as the puppet's node sees it. */
  readonly there: Ref<typeof Listener>;
}

/** A puppet on `a` and a listener on `b`, which monitors it or is linked with it. */
async function pair(how: 'monitor' | 'link' | 'neither', trapExit = true): Promise<Pair> {
  const [a, b] = ['a', 'b'].map(name => cluster.host(name).node);
  if (a === undefined || b === undefined) throw new Error('two nodes');
  const puppet = await cluster.finish(a.spawn(Puppet()));
  const listener = await cluster.finish(b.spawn(Listener({ trapExit })));
  await cluster.finish(
    listener.call('run', ctx => {
      if (how === 'monitor') ctx.monitor(puppet.pid);
      if (how === 'link') ctx.link(puppet.pid);
    }),
  );
  await cluster.run(20);
  return { puppet, listener, there: a.ref<typeof Listener>(listener.pid) };
}

/** What the listener has got once it has got `count`, and all that comes within five seconds of that. */
async function seen({ listener }: Pair): Promise<unknown[]> {
  const process = cluster.host('b').node.system.process(listener.pid);
  await cluster.run(5_000);
  return (process?.state as { seen: unknown[] } | undefined)?.seen ?? ['ended'];
}

const say = (pair: Pair, step: Step): void => pair.puppet.cast('do', step);

describe('a down, and an exit that is trapped, come behind what their sender sent', () => {
  test.each([
    ['on data', {}],
    ['on a channel of its own', { channel: 'wide' }],
    ['in a partition', { partition: 'x' }],
    ['on a channel with several connections, in a partition', { channel: 'wide', partition: 'x' }],
    ['on an acknowledged channel', { channel: 'sure' }],
    ['on a channel that drops', { channel: 'short' }],
    ['on a channel that nobody has', { channel: 'unheard-of' }],
  ])('a large message %s', async (_where, options) => {
    await started();
    for (const how of ['monitor', 'link'] as const) {
      const both = await pair(how);
      say(both, ctx => {
        ctx.cast(both.there, 'note', large(1), options);
        ctx.cast(both.there, 'note', 'small', options);
        ctx.stop('shutdown');
      });
      expect(await seen(both)).toEqual(['large 1', 'small', `${how === 'link' ? 'exit' : 'down'} shutdown`]);
    }
  });

  test('a message that is larger than its channel’s queue', async () => {
    await started([...CHANNELS, { name: 'scant', queueBytes: 1_000 }]);
    const both = await pair('monitor');
    say(both, ctx => {
      ctx.cast(both.there, 'note', new Uint8Array(3_000_000).fill(1), { channel: 'scant' });
      ctx.stop('shutdown');
    });
    expect(await seen(both)).toEqual(['large 1', 'down shutdown']);
  });

  test('messages on several channels at once', async () => {
    await started();
    const both = await pair('monitor');
    say(both, ctx => {
      ctx.cast(both.there, 'note', large(1), { channel: 'wide', partition: 1 });
      ctx.cast(both.there, 'note', large(2), { channel: 'wide', partition: 2 });
      ctx.cast(both.there, 'note', large(3), { channel: 'sure' });
      ctx.cast(both.there, 'note', large(4));
      ctx.stop('shutdown');
    });
    const all = await seen(both);
    expect(all).toHaveLength(5);
    expect(all.at(-1)).toBe('down shutdown');
  });

  test('messages to its name, by a call, by an offer, and by a ref that is not the context’s', async () => {
    await started();
    const b = cluster.host('b').node;
    const a = cluster.host('a').node;
    const both = await pair('monitor');
    const named = await cluster.finish(b.spawn(Listener({ trapExit: true }), { name: 'named' }));
    await cluster.finish(named.call('run', ctx => ctx.monitor(both.puppet.pid)));
    await cluster.run(20);
    const byName = a.system.refOn<typeof Listener>('b', 'named');
    say(both, ctx => {
      ctx.cast(byName, 'note', large(1));
      byName.cast('note', 'small');
      both.there.cast('note', large(2), { channel: 'wide' });
      ctx.offer(both.there, 'note', large(3), { channel: 'sure' }).catch(() => {});
      ctx.call(both.there, 'ask', large(4), { channel: 'tight' }).catch(() => {});
      ctx.stop('shutdown');
    });
    expect(await seen({ ...both, listener: named })).toEqual(['large 1', 'small', 'down shutdown']);
    expect((await seen(both)).at(-1)).toBe('down shutdown');
  });

  test('answers, also those given later, and the failures of calls that it had not answered', async () => {
    await started();
    const both = await pair('neither');
    const [a, b] = [cluster.host('a').node, cluster.host('b').node];
    const order: unknown[] = [];
    const asker = await cluster.finish(a.spawn(Puppet()));
    const ends = a.system.whenEnded(both.listener.pid).then(reason => order.push(`down ${reason}`));
    await cluster.run(20);
    const answers = cluster.finish(
      asker.call(
        'run',
        async ctx => {
          const ref = a.ref<typeof Listener>(both.listener.pid);
          await Promise.all([
            ctx.call(ref, 'ask', large(1), { timeout: 20_000 }).then(() => order.push('large')),
            ctx.call(ref, 'ask', 'small', { timeout: 20_000 }).then(() => order.push('small')),
            Promise.resolve().then(() => ctx.cast(ref, 'die', 'shutdown')),
          ]);
        },
        { timeout: 30_000 },
      ),
    );
    await answers;
    await cluster.finish(ends);
    expect(b.system.process(both.listener.pid)).toBeUndefined();
    expect(order.at(-1)).toBe('down shutdown');
    expect(order).toHaveLength(3);
  });

  test('signals of one sender keep their order among themselves', async () => {
    await started();
    const both = await pair('link');
    say(both, ctx => {
      ctx.exit(both.there, { shutdown: 'first' });
      ctx.cast(both.there, 'note', large(1), { channel: 'wide' });
      ctx.exit(both.there, { shutdown: 'second' });
      ctx.exit(both.there, { shutdown: 'third' });
      ctx.stop('shutdown');
    });
    expect(await seen(both)).toEqual(['exit first', 'large 1', 'exit second', 'exit third', 'exit shutdown']);
  });
});

describe('a signal does not wait for ever', () => {
  test.each(['newest', 'short', 'brief', 'tight'])('for messages that the policy of %s gives up', async channel => {
    await started();
    const both = await pair('monitor');
    say(both, ctx => {
      for (let number = 1; number <= 20; number++) ctx.cast(both.there, 'note', large(number), { channel });
      ctx.stop('shutdown');
    });
    await cluster.run(15_000);
    const all = await seen(both);
    expect(all.length).toBeGreaterThan(1);
    expect(all.length).toBeLessThan(21);
    expect(all.at(-1)).toBe('down shutdown');
  });

  test('for a channel that is closed meanwhile, or opened', async () => {
    await started();
    const nodes = ['a', 'b'].map(name => cluster.host(name).node);
    const both = await pair('monitor');
    say(both, ctx => {
      ctx.cast(both.there, 'note', large(1), { channel: 'wide' });
      ctx.cast(both.there, 'note', large(2), { channel: 'later' });
    });
    await cluster.run(5);
    for (const { channels } of nodes) {
      channels.close('wide');
      channels.open({ name: 'later' });
    }
    await cluster.run(50);
    say(both, ctx => ctx.stop('shutdown'));
    const all = await seen(both);
    expect(all.slice(0, 2).sort()).toEqual(['large 1', 'large 2']);
    expect(all[2]).toBe('down shutdown');
  });

  test('for a link that is lost: what has arrived is told as it is', async () => {
    await started();
    const both = await pair('monitor');
    const other = await pair('monitor');
    say(both, ctx => {
      ctx.cast(both.there, 'note', large(1), { channel: 'wide' });
      ctx.stop('shutdown');
    });
    await cluster.run(100);
    cluster.network.reset('a', 'b');
    expect(await seen(both)).toEqual(['down shutdown']);
    expect(await seen(other)).toEqual(['down noconnection']);
  });

  test('over a link that was lost and resumed, behind what an acknowledged channel sends again', async () => {
    await started();
    const both = await pair('neither');
    say(both, ctx => ctx.cast(both.there, 'note', large(1), { channel: 'sure' }));
    await cluster.run(300);
    cluster.network.reset('a', 'b');
    await cluster.until(() => cluster.host('b').node.visible().length === 1, 'the loss of the link');
    await cluster.until(() => cluster.host('b').node.visible().length === 2, 'the link');
    await cluster.run(20);
    await cluster.finish(both.listener.call('run', ctx => void ctx.monitor(both.puppet.pid)));
    await cluster.run(20);
    say(both, ctx => ctx.stop('shutdown'));
    expect(await seen(both)).toEqual(['large 1', 'down shutdown']);
  });
});

describe('an exit that is not trapped', () => {
  test.each([
    ['kill, of one that traps', 'kill', true, 'neither'],
    ['kill', 'kill', false, 'neither'],
    ['a reason', 'shutdown', false, 'neither'],
    ['a reason, by a link', 'shutdown', false, 'link'],
  ] as const)('acts at once: %s', async (_what, reason, traps, how) => {
    await started();
    const both = await pair(how, traps);
    const { system } = cluster.host('b').node;
    say(both, ctx => {
      ctx.cast(both.there, 'note', large(1));
      ctx.cast(both.there, 'note', large(2), { channel: 'wide' });
      if (how === 'link') ctx.stop(reason);
      else ctx.exit(both.there, reason);
    });
    await cluster.run(100);
    expect(system.process(both.listener.pid)).toBeUndefined();
    await cluster.run(5_000);
    expect(system.deadLetters.recent.map(letter => letter.reason)).toEqual(['noproc', 'noproc']);
  });

  test('is heard of as it was by the monitors that its sender set before, also those under way', async () => {
    await started();
    for (const who of ['an actor', 'the node'] as const) {
      const both = await pair('neither', who === 'an actor');
      const { system } = cluster.host('a').node;
      const reasons: unknown[] = [];
      const watcher = await cluster.finish(cluster.host('a').node.spawn(Listener({ trapExit: true })));
      if (who === 'an actor') {
        await cluster.finish(
          watcher.call('run', ctx => {
            ctx.cast(both.there, 'note', large(1));
            ctx.monitor(both.there);
            ctx.exit(both.there, 'kill');
          }),
        );
      } else {
        both.there.cast('note', large(1));
        system.stop(both.there.pid).then(reason => reasons.push(reason));
      }
      await cluster.run(100);
      expect(cluster.host('b').node.system.process(both.listener.pid)).toBeUndefined();
      await cluster.run(5_000);
      const state = system.process(watcher.pid)?.state as { seen: unknown[] };
      expect([...reasons, ...state.seen]).toEqual([who === 'an actor' ? 'down killed' : 'shutdown']);
    }
  });

  test('of one who is linked waits for that link', async () => {
    await started();
    const both = await pair('neither', false);
    const watcher = await cluster.finish(cluster.host('a').node.spawn(Listener({ trapExit: true })));
    await cluster.finish(
      watcher.call('run', ctx => {
        ctx.cast(both.there, 'note', large(1));
        ctx.link(both.there);
        ctx.exit(both.there, 'shutdown');
      }),
    );
    await cluster.run(5_000);
    const state = cluster.host('a').node.system.process(watcher.pid)?.state as { seen: unknown[] };
    expect(state.seen).toEqual(['exit shutdown']);
  });

  test('by a link that is still under way, ends its actor behind that link', async () => {
    await started();
    const both = await pair('neither', false);
    const { system } = cluster.host('b').node;
    say(both, ctx => {
      ctx.cast(both.there, 'note', large(1));
      ctx.link(both.there);
      ctx.stop('shutdown');
    });
    await cluster.run(100);
    expect(system.process(both.listener.pid)).toBeDefined();
    await cluster.run(5_000);
    expect(system.process(both.listener.pid)).toBeUndefined();
  });

  test.each([
    ['details that can’t be sent', new FoundationError('not-found', 'gone', { details: { why: () => {} } })],
    ['a reason that can’t be sent', { shutdown: () => {} }],
  ])('arrives without %s, and the link stands', async (_what, reason) => {
    await started();
    for (const how of ['link', 'neither'] as const) {
      const both = await pair(how, false);
      const { system } = cluster.host('b').node;
      say(both, ctx => {
        ctx.cast(both.there, 'note', large(1));
        if (how === 'link') ctx.stop(reason as ExitReason);
        else ctx.exit(both.there, reason as ExitReason);
      });
      await cluster.run(100);
      expect(system.process(both.listener.pid)).toBeUndefined();
      await cluster.run(5_000);
      expect(system.deadLetters.recent.map(letter => letter.reason)).toContain('noproc');
      expect(cluster.host('b').node.visible()).toHaveLength(2);
    }
  });

  test.each([
    [true, false, 'ended'],
    [false, true, 'exit normal'],
  ])('is judged when it is its turn: traps %s, then %s', async (first, then, expected) => {
    await started();
    const both = await pair('neither', first);
    const process = cluster.host('b').node.system.process(both.listener.pid) as { trapExit: boolean } | undefined;
    say(both, ctx => {
      ctx.cast(both.there, 'note', large(1), { channel: 'wide' });
      ctx.exit(both.there, then ? 'normal' : 'shutdown');
    });
    await cluster.run(100);
    if (process !== undefined) process.trapExit = then;
    expect((await seen(both)).at(-1)).toBe(expected);
  });
});

test('random messages over random channels: the down is last, and what one channel and partition carries keeps its order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          channel: fc.constantFrom('data', 'wide', 'sure', 'tight', 'none'),
          partition: fc.constantFrom(undefined, 1, 2, 'x'),
          bytes: fc.constantFrom(0, 0, 100_000),
        }),
        { minLength: 1, maxLength: 12 },
      ),
      fc.integer({ min: 1, max: 1_000 }),
      async (messages, seed) => {
        const channels = CHANNELS.map(channel => ({ ...channel, queueMessages: Number.POSITIVE_INFINITY }));
        await started(channels, seed);
        try {
          const both = await pair('monitor');
          say(both, ctx => {
            for (const [number, { channel, partition, bytes }] of messages.entries()) {
              const options = partition === undefined ? { channel } : { channel, partition };
              ctx.cast(both.there, 'note', bytes === 0 ? number : new Uint8Array(bytes).fill(number), options);
            }
            ctx.stop('shutdown');
          });
          const all = await seen(both);
          expect(all).toHaveLength(messages.length + 1);
          expect(all.at(-1)).toBe('down shutdown');
          const order = all.slice(0, -1).map(value => Number(String(value).replace('large ', '')));
          const keys = new Map<string, number>();
          for (const number of order) {
            const { channel, partition } = messages[number] ?? {};
            const key = `${channel} ${partition}`;
            expect(number).toBeGreaterThan(keys.get(key) ?? -1);
            keys.set(key, number);
          }
        } finally {
          cluster.dispose();
        }
      },
    ),
    { numRuns: 40 },
  );
  await started();
});

test('who never sent otherwise than signals travel leaves no trail, and sends no fence', async () => {
  await started();
  const both = await pair('monitor');
  const { system, channels } = cluster.host('a').node;
  const process = system.process(both.puppet.pid);
  await cluster.finish(
    both.puppet.call('run', ctx => {
      ctx.cast(both.there, 'note', 1);
      ctx.cast(both.there, 'note', 2, { channel: 'data' });
    }),
  );
  expect(process?.trail).toBe(0);
  const before = channels.metrics().map(({ channel, messagesSent }) => [channel, messagesSent]);
  say(both, ctx => ctx.stop('shutdown'));
  await cluster.run(50);
  const after = new Map(channels.metrics().map(({ channel, messagesSent }) => [channel, messagesSent]));
  for (const [channel, sent] of before) {
    if (channel !== 'control' && channel !== 'data') expect(after.get(channel as string)).toBe(sent);
  }
});
