import { type AddressInfo, createServer } from 'node:net';
import { seededRandom } from '@foundation-ts/core';
import { Program } from '../hostile/program.js';
import { until } from '../support/until.js';
import { CuttingProxy } from './cutting-proxy.js';
import { type Arrivals, type Memory, type Range, type Sent, streams } from './streams.js';

const MIB = 1024 * 1024;
const SAMPLE_MS = 1_000;

export interface SoakInit {
  readonly seconds: number;
  /** Mean milliseconds between two cuts. */
  readonly every: number;
  readonly seed: number;
  readonly report?: (line: string) => void;
}

export interface SoakResult {
  /** What was not as promised; empty after a good run. */
  readonly faults: readonly string[];
  readonly messages: number;
  readonly calls: number;
  readonly cuts: number;
  /** By node: what it held, MiB, in the second and in the last third of the run (medians). */
  readonly memory: Readonly<Record<string, { readonly before: number; readonly after: number; readonly rss: number }>>;
}

/** Two nodes, each a process, that send each other all they can while the connections between them are cut at random. */
export async function soak({ seconds, every, seed, report = () => {} }: SoakInit): Promise<SoakResult> {
  const random = seededRandom(seed);
  const ports = { a: await freePort(), b: await freePort() };
  await using toA = await CuttingProxy.start(() => ports.a);
  await using toB = await CuttingProxy.start(() => ports.b);
  const program = new URL('./programs/node.ts', import.meta.url);
  await using a = await Program.start(program, 'a', String(ports.a), String(toB.port));
  await using b = await Program.start(program, 'b', String(ports.b), String(toA.port));
  const nodes = { a, b };
  const both = [a, b];
  const joined = async (): Promise<boolean> =>
    (await Promise.all(both.map(node => node.ask<boolean>('ready')))).every(Boolean);
  await until(joined, () => `the nodes to see each other: ${a.output}${b.output}`);
  await Promise.all(both.map(node => node.ask('begin')));

  const samples: Record<string, Memory[]> = { a: [], b: [] };
  let cuts = 0;
  const begin = performance.now();
  let nextCut = begin + every;
  let nextSample = begin + SAMPLE_MS;
  for (;;) {
    const now = performance.now();
    if (now - begin > seconds * 1_000) break;
    if (now >= nextCut) {
      if ((random.next() < 0.5 ? toA : toB).cut(random) || toA.cut(random) || toB.cut(random)) cuts++;
      nextCut = now + every * (0.5 + random.next());
    }
    if (now >= nextSample) {
      for (const [name, node] of Object.entries(nodes)) samples[name]?.push(await node.ask<Memory>('memory'));
      nextSample = performance.now() + SAMPLE_MS;
      report(progress(now - begin, cuts, samples));
    }
    await new Promise(resolve => setTimeout(resolve, Math.max(1, Math.min(nextCut, nextSample) - performance.now())));
  }

  const [fromA, fromB] = await Promise.all([a.ask<Sent>('end'), b.ask<Sent>('end')]);
  const pairs = [
    { way: 'a to b', sent: fromA, at: b },
    { way: 'b to a', sent: fromB, at: a },
  ];
  const faults: string[] = [];
  let messages = 0;
  for (const { way, sent, at } of pairs) {
    await untilQuiet(at, sent);
    const arrivals = await at.ask<Arrivals>('arrivals');
    messages += Object.values(arrivals.streams).reduce((sum, { count }) => sum + count, 0);
    faults.push(...judge(sent, arrivals).map(fault => `${way}: ${fault}`));
  }
  const memory = Object.fromEntries(Object.entries(samples).map(([name, list]) => [name, thirds(list)]));
  for (const [name, { before, after }] of Object.entries(memory)) {
    if (after > before * 1.25 + 16) {
      faults.push(
        `node ${name} held ${before.toFixed(0)} MiB in the second third of the run and ${after.toFixed(0)} in the last`,
      );
    }
  }
  return { faults, messages, calls: fromA.outcomes.length + fromB.outcomes.length, cuts, memory };
}

/** Acknowledged channels send again what a cut took: waits until nothing is on its way any more. */
async function untilQuiet(at: Program, { sent, refused, lost }: Sent): Promise<void> {
  const open = async (): Promise<string[]> => {
    const arrivals = await at.ask<Arrivals>('arrivals');
    return streams
      .filter(({ acknowledged, id }) => {
        const given = (sent[id] ?? 0) - size(refused[id]) - size(lost[id]);
        return acknowledged && (arrivals.streams[id]?.count ?? 0) < given;
      })
      .map(({ id }) => id);
  };
  // What never comes is judged afterwards.
  await until(
    async () => (await open()).length === 0,
    () => 'the last messages',
    20_000,
  ).catch(() => {});
}

/** What was not as promised in one direction. */
export function judge(sent: Sent, arrivals: Arrivals): string[] {
  const faults: string[] = [];
  for (const { id, acknowledged } of streams) {
    const got = arrivals.streams[id];
    if (got === undefined || got.count === 0) {
      faults.push(`${id}: nothing came`);
      continue;
    }
    faults.push(...got.wrong.map(wrong => `${id}: out of order or repeated: ${wrong}`));
    const missing = [...got.missing, [got.last + 1, (sent.sent[id] ?? 0) - 1] as const];
    const refused = sent.refused[id] ?? [];
    const arrivedThough = outside(refused, missing);
    if (arrivedThough !== undefined) faults.push(`${id}: ${arrivedThough} came though it was refused`);
    if (!acknowledged) continue;
    const unexplained = outside(missing, refused);
    if (unexplained !== undefined) faults.push(`${id}: ${unexplained} was taken and never came`);
    const lost = size(sent.lost[id]);
    if (lost > 0) faults.push(`${id}: ${lost} were given up although both nodes live`);
  }
  sent.outcomes.forEach((outcome, number) => {
    const times = arrivals.handled[number] ?? 0;
    const right =
      outcome === 'answered'
        ? times === 1
        : outcome === 'not-delivered'
          ? times === 0
          : outcome === 'unknown' && times <= 1;
    if (!right && faults.length < 50) faults.push(`call ${number} is ${outcome} and was handled ${times} times`);
  });
  if (arrivals.cuts === 0) faults.push('no cut was noticed');
  if (arrivals.incarnations > 2) faults.push(`${arrivals.incarnations} incarnations of two nodes`);
  return faults;
}

function size(ranges: readonly Range[] = []): number {
  return ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
}

/** The first number of some ranges which is in none of the others; each list in ascending order. */
function outside(ranges: readonly Range[], others: readonly Range[]): number | undefined {
  let at = 0;
  for (const [first, last] of ranges) {
    for (let number = first; number <= last; ) {
      while (at < others.length && (others[at] as Range)[1] < number) at++;
      const other = others[at];
      if (other === undefined || other[0] > number) return number;
      number = other[1] + 1;
    }
  }
  return undefined;
}

function thirds(list: readonly Memory[]): { before: number; after: number; rss: number } {
  const third = Math.floor(list.length / 3);
  const held = (part: readonly Memory[]): number => median(part.map(memory => memory.held)) / MIB;
  const after = list.slice(-third);
  return {
    before: held(list.slice(third, list.length - third)),
    after: held(after),
    rss: median(after.map(memory => memory.rss)) / MIB,
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[values.length >> 1] ?? 0;
}

function progress(ms: number, cuts: number, samples: Readonly<Record<string, readonly Memory[]>>): string {
  const nodes = Object.entries(samples).map(([name, list]) => {
    const last = list.at(-1);
    const mib = (bytes: number | undefined): string => ((bytes ?? 0) / MIB).toFixed(0);
    return `${name} got ${last?.messages} messages, noticed ${last?.cuts} cuts, holds ${mib(last?.held)} MiB, rss ${mib(last?.rss)}`;
  });
  return `${(ms / 1_000).toFixed(0).padStart(4)} s  ${cuts} cuts; ${nodes.join('; ')}`;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
