import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Bench, Metric } from './bench.js';
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
      node: outcome.runtime.version,
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
  const lines = ['', `### ${outcome.bench.title}, Node ${outcome.runtime.version}`];
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

/** One row for each metric with a goal: how ours did on each Node, and the goal. */
export function summary(benches: readonly Bench[], results: readonly Result[]): string {
  const versions = [...new Set(results.map(result => result.node))].sort();
  const lines = [
    '',
    `| | goal: to floor, to best peer | ${versions.map(version => `Node ${version}: ours; to floor, to best peer`).join(' | ')} |`,
    `|---|---|${versions.map(() => '---|').join('')}`,
  ];
  for (const metric of benches.flatMap(bench => bench.metrics)) {
    if (metric.goal === undefined) continue;
    const cells = versions.map(version => {
      const result = results.find(row => row.metric === metric.id && row.node === version);
      return result === undefined ? '–' : standingOf(result, metric);
    });
    lines.push(`| \`${metric.id}\` | ${goalOf(metric)} | ${cells.join(' | ')} |`);
  }
  return lines.join('\n');
}

function goalOf({ goal = {}, higherIsBetter, unit }: Metric): string {
  const sign = higherIsBetter ? '≥' : '≤';
  const bound = (value: number | undefined, after: string) =>
    value === undefined ? [] : [`${sign} ${figure(value)}${after}`];
  return [...bound(goal.value, ` ${unit}`), ...bound(goal.floor, ' × floor'), ...bound(goal.peer, ' × peer')].join(
    ', ',
  );
}

function standingOf(result: Result, { goal = {}, higherIsBetter, unit }: Metric): string {
  const reached = (value: number | null, bound: number | undefined) =>
    value === null || bound === undefined || (higherIsBetter ? value >= bound : value <= bound) ? '' : ' **missed**';
  return [
    `${figure(result.ours)} ${unit}${reached(result.ours, goal.value)}`,
    `${figure(result.ratioToFloor)}${reached(result.ratioToFloor, goal.floor)}`,
    `${figure(result.ratioToPeer)}${result.peerName === null ? '' : ` (${result.peerName})`}${reached(result.ratioToPeer, goal.peer)}`,
  ].join('; ');
}

/** The results of a file that {@link save} has written. */
export function load(path: string): readonly Result[] {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : [];
}

const major = (version: string) => version.split('.')[0];

/** Writes the results beside those that stand there; a metric measured again on the same Node replaces its row. */
export function save(path: string, results: readonly Result[]): void {
  const replaced = (row: Result) =>
    results.some(result => result.metric === row.metric && major(result.node) === major(row.node));
  const kept = load(path).filter(row => !replaced(row));
  writeFileSync(path, `${JSON.stringify([...kept, ...results], null, 2)}\n`);
}
