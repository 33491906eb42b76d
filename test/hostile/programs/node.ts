/** A node of the hostile and fault tests: `node.ts <name> <port to connect to | 0> [options as JSON]`. Serves actors, calls others, and measures itself. */
import { subscribe } from 'node:diagnostics_channel';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { actor, child, isFoundationError, type Log, type StartOptions, startNode, supervisor } from 'foundation-ts';
import { serve } from '../program.js';
import { SECRET } from '../secret.js';

interface Event {
  readonly event: string;
  readonly code: string | undefined;
  readonly text: string;
}

const [name, port, given = '{}'] = process.argv.slice(2) as [string, string, string | undefined];
const options = JSON.parse(given) as Pick<StartOptions, 'transport' | 'tls' | 'permissions'>;
const protocol = String(options.transport ?? 'tcp');
const { gc } = globalThis as { readonly gc?: () => void };
if (gc === undefined) throw new Error('start it with --expose-gc');
const collect = gc;

const KEPT = 2_000;
const events: Event[] = [];
const counts = new Map<string, number>();
function note(event: string, code: string | undefined, text: string): void {
  const key = code === undefined ? event : `${event} ${code}`;
  if (counts.size < KEPT) counts.set(key, (counts.get(key) ?? 0) + 1);
  events.push({ event, code, text: text.slice(0, 300) });
  if (events.length > KEPT) events.splice(0, KEPT / 2);
}
for (const event of [
  'transport.peer.closed',
  'transport.handshake.failed',
  'cluster.connection-lost',
  'cluster.not-permitted',
  'actor.crash',
]) {
  subscribe(`foundation:${event}`, message => {
    const { metadata } = message as { readonly metadata: Readonly<Record<string, unknown>> };
    const text = `${metadata.peer ?? metadata.member ?? metadata.host ?? ''}: ${metadata.reason ?? metadata.error ?? ''}`;
    note(event, metadata.code as string | undefined, text);
  });
}
const line =
  (level: string) =>
  (fields: Readonly<Record<string, unknown>>, message: string): void =>
    note(`log.${level}`, undefined, `${message} ${(fields.error as Error | undefined)?.message ?? ''}`);
const log: Log = { debug: () => {}, info: () => {}, warn: line('warn'), error: line('error') };

const wait = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

const Echo = actor({
  name: 'echo',
  localOnly: true,
  init: () => ({ casts: 0 }),
  calls: { echo: (_s, payload: unknown) => payload, casts: s => s.casts },
  casts: {
    note: (s, _payload: unknown) => {
      s.casts++;
    },
  },
});
const Target = actor({
  name: 'target',
  init: (_argument: unknown) => ({ value: 0 }),
  calls: { get: s => s.value },
  casts: {
    set: (s, value: number) => {
      s.value = value;
    },
  },
});
const Unborn = actor({
  name: 'unborn',
  init: (_argument: unknown): object => {
    throw new Error('it is never born');
  },
});
/** Takes its time; holds at most 100 messages. */
const Slow = actor({
  name: 'slow',
  init: () => ({ handled: 0 }),
  mailbox: { capacity: 100 },
  calls: { handled: s => s.handled },
  casts: {
    take: async (s, _payload: unknown) => {
      await wait(2);
      s.handled++;
    },
  },
});

const node = await startNode({
  name,
  clusterId: 'hostile',
  secret: SECRET,
  port: 0,
  joinTimeout: 0,
  definitions: [Target, Unborn],
  log,
  ...options,
});
const { system } = node;
await node.cluster.startSystemActor(Echo(), '$echo');
const target = await node.spawn(Target(0), { name: 'target' });
await node.spawn(Slow(), { name: 'slow' });
const tree = await node.supervise(supervisor({ children: [child(Target(1), { id: 'kept' })] }), { name: 'tree' });
let members: string[] = [];
node.cluster.onMembership(event => members.push(`${event.type} ${event.member.name}`));
if (port !== '0') await node.connect({ protocol, host: '127.0.0.1', port: Number(port) });

const lag = monitorEventLoopDelay({ resolution: 10 });
lag.enable();

/** Calls the echo of another node again and again. */
class Caller {
  calls = 0;
  failures: string[] = [];
  latencies: number[] = [];
  stopped = false;
  constructor(on: string) {
    for (let n = 0; n < 2; n++) void this.#run(on);
  }
  async #run(on: string): Promise<void> {
    const ref = system.refOn<typeof Echo>(on, '$echo', { timeout: 5_000 });
    while (!this.stopped) {
      const start = performance.now();
      try {
        await ref.call('echo', { n: this.calls, text: 'x'.repeat(100) });
        this.calls++;
        this.latencies.push(performance.now() - start);
      } catch (error) {
        if (this.failures.length < 100) this.failures.push(String(error));
        await wait(10);
      }
      await wait(1);
    }
  }
}
let caller: Caller | undefined;

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
}

serve({
  where: () => ({
    port: node.address?.port,
    incarnation: node.incarnation,
    target: target.pid.id,
    tree: tree.pid.id,
    system: [...system.processes()].filter(({ program }) => program.supervisor).map(({ pid }) => pid.id),
  }),
  call: (on: string) => {
    caller = new Caller(on);
  },
  /** What the calls since the last question were like. */
  calls: () => {
    if (caller === undefined) return undefined;
    const sorted = caller.latencies.sort((left, right) => left - right);
    const { failures } = caller;
    caller.latencies = [];
    caller.failures = [];
    return {
      count: sorted.length,
      failures,
      p50: quantile(sorted, 0.5),
      p99: quantile(sorted, 0.99),
      max: sorted.at(-1) ?? 0,
    };
  },
  /** Memory now; lag, events and counts since the last question. */
  measure: async () => {
    const lagMax = lag.max / 1e6;
    const seen = Object.fromEntries(counts);
    const list = events.splice(0);
    const happened = members;
    members = [];
    counts.clear();
    for (let turn = 0; turn < 3; turn++) {
      await new Promise<void>(resolve => setImmediate(resolve));
      collect();
    }
    const { rss, heapUsed, external } = process.memoryUsage();
    lag.reset();
    return {
      lagMax,
      rss,
      heapUsed,
      external,
      counts: seen,
      events: list,
      members: happened,
      processes: system.processCount,
    };
  },
  size: () => ({ processes: system.processCount }),
  knows: (registered: string) => node.registry.whereis(Target, registered) !== undefined,
  spawn: (on: string) => node.spawn(Target(1), { on }).then(ref => system.stop(ref)),
  members: () => node.members().map(member => `${member.name} ${member.status} ${member.reachable}`),
  alive: () => ({ target: system.whereis('target') !== undefined, tree: system.process(tree.pid) !== undefined }),
  connect: (to: number) => node.connect({ protocol, host: '127.0.0.1', port: to }).then(member => member.name),
  /** Keeps the event loop. */
  stall: (ms: number) => {
    setTimeout(() => {
      const end = performance.now() + ms;
      while (performance.now() < end);
    }, 10);
  },
  /** Casts `bytes` of binary in one message. */
  bulk: ({ on, bytes, times }: { on: string; bytes: number; times: number }) => {
    for (let n = 0; n < times; n++) node.send(on, '$echo', 'note', Buffer.alloc(bytes, n));
  },
  casts: (on: string) => system.refOn<typeof Echo>(on, '$echo').call('casts'),
  handled: (on: string) => system.refOn<typeof Slow>(on, 'slow').call('handled'),
  /** Offers, calls or casts to the slow actor of another node, all at once; counts the outcomes. */
  flood: async ({
    on,
    how,
    count,
    bytes,
  }: {
    on: string;
    how: 'offer' | 'call' | 'cast';
    count: number;
    bytes: number;
  }) => {
    const ref = system.refOn<typeof Slow>(on, 'slow', { timeout: 60_000 });
    const outcomes: Record<string, number> = {};
    const payload = 'x'.repeat(bytes);
    await Promise.all(
      Array.from({ length: count }, async () => {
        let outcome = 'ok';
        try {
          if (how === 'offer') await ref.offer('take', payload);
          else if (how === 'call') await ref.call('handled');
          else ref.cast('take', payload);
        } catch (error) {
          outcome = isFoundationError(error) ? error.code : String(error);
        }
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      }),
    );
    return outcomes;
  },
});
