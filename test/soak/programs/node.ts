/**
 * A node of the soak: `node.ts <name> <own port> <the port by which the other is dialled>`. Sends numbered messages of every kind to
 * its peer as fast as they are taken, and writes down what becomes of those that it gets.
 */
import { actor, isFoundationError, type StartOptions, startNode, staticList, tcp } from 'foundation-ts';
import { serve } from '../../hostile/program.js';
import { SECRET } from '../../hostile/secret.js';
import {
  type Arrivals,
  type Memory,
  type Outcome,
  type Range,
  Ranges,
  type Sent,
  type Stream,
  streams,
} from '../streams.js';

const [name, ownPort, proxyPort] = process.argv.slice(2) as [string, string, string];
const peer = name === 'a' ? 'b' : 'a';
const { gc } = globalThis as { readonly gc?: () => void };
if (gc === undefined) throw new Error('start it with --expose-gc');
const collect = gc;

/** Numbers that came in order; what is wrong, and what is missing, as it is seen. */
class Arrived {
  last = -1;
  count = 0;
  readonly wrong: string[] = [];
  readonly missing: Range[] = [];
  take(number: number): void {
    this.count++;
    if (number <= this.last) {
      if (this.wrong.length < 20) this.wrong.push(`${number} came after ${this.last}`);
      return;
    }
    if (number > this.last + 1) this.missing.push([this.last + 1, number - 1]);
    this.last = number;
  }
}
const arrived = new Map<string, Arrived>(streams.map(({ id }) => [id, new Arrived()]));
/** How often each call was handled. */
let handled = new Uint8Array(1 << 16);

const Sink = actor({
  name: 'sink',
  init: () => ({}),
  calls: {
    count: (_s, number: number) => {
      if (number >= handled.length) {
        const larger = new Uint8Array(handled.length * 2);
        larger.set(handled);
        handled = larger;
      }
      handled[number] = (handled[number] as number) + 1;
      return number;
    },
  },
  casts: {
    take: (_s, [id, number]: readonly [id: string, number: number, filling: unknown]) => {
      arrived.get(id)?.take(number);
    },
    mark: () => {},
  },
});

/** The transport of the node, which reaches the peer through the proxy that cuts. */
function throughProxy(): NonNullable<StartOptions['transport']> & object {
  const plain = tcp();
  return {
    protocol: plain.protocol,
    listen: options => plain.listen(options),
    dial: (to, options) => plain.dial({ ...to, host: '127.0.0.1', port: Number(proxyPort) }, options),
  };
}

const node = await startNode({
  name,
  clusterId: 'soak',
  secret: SECRET,
  port: Number(ownPort),
  transport: throughProxy(),
  discovery: [staticList([`127.0.0.1:${proxyPort}`])],
  joinTimeout: 0,
  channels: [
    { name: 'control', priority: 100 },
    { name: 'data' },
    { name: 'gossip' },
    { name: 'orders', reliability: 'acknowledged', connections: 2, queueBytes: 8 * 1024 * 1024 },
  ],
  log: 'silent',
});
await node.spawn(Sink(), { name: 'sink' });
const incarnations = new Set<number>();
let cuts = 0;
node.cluster.onMembership(({ type, member }) => {
  incarnations.add(member.incarnation);
  if (type === 'unreachable') cuts++;
});

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));
const pause = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 2));
let sending = true;

const refused = new Map(streams.map(({ id }) => [id, new Ranges()]));
const lost = new Map(streams.map(({ id }) => [id, new Ranges()]));
node.deadLetters.subscribe(({ op, payload, reason }) => {
  if (op !== 'take') return;
  const [id, number] = payload as readonly [string, number];
  (reason === 'unknown-outcome' ? lost : refused).get(id)?.add(number);
});

const [small, medium, large] = [100, 4_000, 200_000].map(size => new Uint8Array(size).fill(7));
const filling = (number: number) => (number % 1_000 === 999 ? large : number % 50 === 49 ? medium : small);
/** Messages between two marks, and marks that may be under way. */
const BURST = 250;
const UNDER_WAY = 4;
const sent = new Map<string, number>(streams.map(({ id }) => [id, 0]));

/** Bursts, each followed by an offer; so many offers may wait for their acceptance. */
async function stream({ id, channel, partition }: Stream): Promise<void> {
  const ref = node.system.refOn<typeof Sink>(peer, 'sink').with({ channel, partition, timeout: 2_000 });
  const marks: Promise<void>[] = [];
  let number = 0;
  while (sending) {
    for (let burst = 0; burst < BURST; burst++, number++) ref.cast('take', [id, number, filling(number)]);
    sent.set(id, number);
    marks.push(
      ref.offer('mark').catch(async error => {
        if (!isFoundationError(error)) throw error;
        await pause();
      }),
    );
    if (marks.length === UNDER_WAY) await marks.shift();
  }
  await Promise.all(marks);
}

function listsOf(all: ReadonlyMap<string, Ranges>): Record<string, readonly Range[]> {
  return Object.fromEntries([...all].map(([id, { list }]) => [id, list]));
}

const outcomes: Outcome[] = [];
async function caller(): Promise<void> {
  const ref = node.system.refOn<typeof Sink>(peer, 'sink', { timeout: 2_000 });
  while (sending) {
    const number = outcomes.length;
    outcomes.push('open');
    try {
      await ref.call('count', number);
      outcomes[number] = 'answered';
    } catch (error) {
      if (!isFoundationError(error)) throw error;
      outcomes[number] = error.code === 'noconnection' || error.code === 'not-delivered' ? 'not-delivered' : 'unknown';
      await pause();
    }
  }
}

let work: Promise<unknown> | undefined;
serve({
  ready: () => node.members().filter(member => member.reachable && member.status === 'up').length === 2,
  begin: () => {
    work = Promise.all([...streams.map(stream), caller(), caller()]);
    work.catch(error => {
      process.stderr.write(`${(error as Error).stack}\n`);
      process.exit(1);
    });
  },
  end: async (): Promise<Sent> => {
    sending = false;
    await work;
    return {
      sent: Object.fromEntries(sent),
      refused: listsOf(refused),
      lost: listsOf(lost),
      outcomes,
    };
  },
  arrivals: (): Arrivals => ({
    streams: Object.fromEntries(
      [...arrived].map(([id, { last, count, wrong, missing }]) => [id, { last, count, wrong, missing }]),
    ),
    handled,
    cuts,
    incarnations: incarnations.size,
  }),
  memory: async (): Promise<Memory> => {
    for (let times = 0; times < 2; times++) {
      await turn();
      collect();
    }
    const { rss, heapUsed, external } = process.memoryUsage();
    const messages = [...arrived.values()].reduce((sum, { count }) => sum + count, 0);
    return { rss, held: heapUsed + external, messages, cuts };
  },
});
