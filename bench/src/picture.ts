/** Draws the p99 of a ping beside bulk, of `bench/results.json`, as `docs/guide/latency-under-bulk.svg`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { load, type Result } from './report.js';

interface Bar {
  readonly name: string;
  readonly milliseconds: number;
  /** GB/s meanwhile. */
  readonly bulk: number | null;
  readonly fill: string;
}

interface Group {
  readonly id: string;
  readonly title: string;
  readonly bars: readonly Bar[];
}

const titles: Readonly<Record<string, string>> = {
  'hol.tcp': 'TCP, one stream',
  'hol.tcp4': 'TCP, four streams',
  'hol.same': 'TCP, ping on the channel of the bulk',
  'hol.ws': 'WebSocket, one stream',
  'hol.gbit': 'TCP over 1 Gbit/s, one stream',
};

const width = 760;
const left = 190;
const right = 120;
const barHeight = 16;
const barGap = 4;
const groupGap = 34;
const top = 70;
const [least, greatest] = [0.1, 10_000];

const rows = load(join(import.meta.dirname, '../results.json'));
const groups = Object.keys(titles).flatMap(id => groupOf(id, rows));
if (groups.length === 0) throw new Error('No results of hol: run `npm run bench -- hol` first.');
writeFileSync(join(import.meta.dirname, '../../docs/guide/latency-under-bulk.svg'), draw(groups));

/** By the newest run of that bench. */
function groupOf(id: string, results: readonly Result[]): readonly Group[] {
  const newest = (metric: string) =>
    results.filter(row => row.metric === metric).sort((one, other) => other.date.localeCompare(one.date))[0];
  const ping = newest(id);
  const bulk = newest(`${id}.bulk`);
  if (ping === undefined) return [];
  const bar = (name: string, milliseconds: number | null, gigabytes: number | null | undefined, fill: string) =>
    milliseconds === null ? [] : [{ name, milliseconds, bulk: gigabytes ?? null, fill }];
  const floor =
    id === 'hol.ws'
      ? 'raw ws, own connections'
      : id === 'hol.same'
        ? 'raw net, one connection'
        : 'raw net, own connections';
  const bars = [
    ...bar('Foundation', ping.ours, bulk?.ours, '#2563a8'),
    ...bar(floor, ping.floor, bulk?.floor, '#8a8f98'),
    ...bar(ping.peerName ?? 'peer', ping.bestPeer, bulk?.bestPeer, '#c9712c'),
  ];
  return [{ id, title: titles[id] ?? id, bars }];
}

/** Where a latency stands on the axis, which is logarithmic. */
function positionOf(milliseconds: number): number {
  const share = Math.log(Math.max(milliseconds, least) / least) / Math.log(greatest / least);
  return left + Math.min(1, share) * (width - left - right);
}

function draw(all: readonly Group[]): string {
  const heights = all.map(group => group.bars.length * (barHeight + barGap) + groupGap);
  const height = top + heights.reduce((sum, each) => sum + each, 0) + 10;
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    '<title>p99 of a 64-byte ping beside 8 MiB messages</title>',
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    '<text x="16" y="24" font-size="15" fill="#1c2128">p99 of a 64-byte ping beside 8 MiB messages, two processes</text>',
    '<text x="16" y="42" fill="#57606a">milliseconds, logarithmic: shorter is better; beside each bar the bulk meanwhile</text>',
  ];
  for (let tick = least; tick <= greatest; tick *= 10) {
    const x = positionOf(tick).toFixed(1);
    const label = String(Number(tick.toPrecision(1)));
    lines.push(
      `<line x1="${x}" y1="${top - 8}" x2="${x}" y2="${height - 8}" stroke="#e1e4e8"/>`,
      `<text x="${x}" y="${top - 12}" text-anchor="middle" fill="#57606a">${label}</text>`,
    );
  }
  let y = top;
  for (const group of all) {
    lines.push(`<text x="16" y="${y + 12}" font-weight="600" fill="#1c2128">${group.title}</text>`);
    y += 20;
    for (const bar of group.bars) lines.push(...drawBar(bar, y + (barHeight + barGap) * group.bars.indexOf(bar)));
    y += group.bars.length * (barHeight + barGap) + groupGap - 20;
  }
  return `${[...lines, '</svg>'].join('\n')}\n`;
}

function drawBar({ name, milliseconds, bulk, fill }: Bar, y: number): readonly string[] {
  const end = positionOf(milliseconds);
  const rate = bulk === null ? '' : `, ${bulk.toPrecision(2)} GB/s`;
  return [
    `<text x="${left - 8}" y="${y + 12}" text-anchor="end" fill="#1c2128">${name}</text>`,
    `<rect x="${left}" y="${y}" width="${(end - left).toFixed(1)}" height="${barHeight}" fill="${fill}"/>`,
    `<text x="${(end + 6).toFixed(1)}" y="${y + 12}" fill="#1c2128">${Number(milliseconds.toPrecision(2))} ms${rate}</text>`,
  ];
}
