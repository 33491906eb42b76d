import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Metric } from './bench.js';
import type { Outcome, Standing } from './harness.js';

/** A row of `bench/results.json`. */
export interface Result {
  readonly bench: string;
  readonly metric: string;
  readonly unit: string;
  readonly ours: number | null;
  readonly floor: number | null;
  readonly bestPeer: number | null;
  readonly peerName: string | null;
  readonly ratioToFloor: number | null;
  readonly ratioToPeer: number | null;
  readonly higherIsBetter: boolean;
  readonly node: string;
  readonly date: string;
}

/** One row for each metric; what was not measured is null. */
export function resultsOf(outcome: Outcome): readonly Result[] {
  return [...outcome.byMetric].map(([metric, standings]) => {
    const ours = medianOf(standings, 'ours');
    const floor = medianOf(standings, 'floor');
    const peer = bestPeerOf(standings, metric);
    const bestPeer = peer?.spread.median ?? null;
    return {
      bench: outcome.bench.id,
      metric: metric.id,
      unit: metric.unit,
      ours,
      floor,
      bestPeer,
      peerName: peer?.contender.name ?? null,
      ratioToFloor: ratio(ours, floor),
      ratioToPeer: ratio(ours, bestPeer),
      higherIsBetter: metric.higherIsBetter,
      node: process.version,
      date: new Date().toISOString(),
    };
  });
}

const medianOf = (standings: readonly Standing[], kind: 'ours' | 'floor') =>
  standings.find(standing => standing.contender.kind === kind)?.spread.median ?? null;

const ratio = (ours: number | null, other: number | null) => (ours === null || other === null ? null : ours / other);

function bestPeerOf(standings: readonly Standing[], metric: Metric): Standing | undefined {
  const peers = standings.filter(standing => standing.contender.kind === 'peer');
  const sign = metric.higherIsBetter ? -1 : 1;
  return peers.sort((left, right) => sign * (left.spread.median - right.spread.median))[0];
}

/** Markdown: every contender with its median and range, then the ratios. */
export function table(outcome: Outcome): string {
  const lines = ['', `### ${outcome.bench.title}`];
  for (const result of resultsOf(outcome)) {
    const [metric, standings] = [...outcome.byMetric].find(([{ id }]) => id === result.metric) ?? [];
    if (metric === undefined || standings === undefined) continue;
    lines.push('', `| \`${metric.id}\` (${metric.unit}) | median | min – max |`, '|---|---:|---:|');
    for (const { contender, spread } of standings) {
      const { median, min, max } = spread;
      lines.push(`| ${contender.name} (${contender.kind}) | ${figure(median)} | ${figure(min)} – ${figure(max)} |`);
    }
    const ratios = [
      `floor: ${figure(result.ratioToFloor)}`,
      `best peer (${result.peerName ?? 'none'}): ${figure(result.ratioToPeer)}`,
      ...standings
        .filter(({ contender }) => contender.kind === 'reference')
        .map(({ contender, spread }) => `${contender.name}: ${figure(ratio(result.ours, spread.median))}`),
    ];
    lines.push('', `ours to ${ratios.join('; to ')}`);
  }
  for (const failure of outcome.failures) lines.push('', `FAILED ${outcome.bench.id}, ${failure}`);
  return lines.join('\n');
}

function figure(value: number | null): string {
  if (value === null) return '–';
  if (value >= 1e6) return `${(value / 1e6).toPrecision(3)} M`;
  if (value >= 1e4) return `${(value / 1e3).toPrecision(3)} k`;
  return value.toPrecision(3);
}

/** Writes the results beside those that stand there; a metric measured again replaces its row. */
export function save(path: string, results: readonly Result[]): void {
  const before: readonly Result[] = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : [];
  const kept = before.filter(row => !results.some(result => result.metric === row.metric));
  writeFileSync(path, `${JSON.stringify([...kept, ...results], null, 2)}\n`);
}
