/**
 * `npm run bench -- [group | id | smoke …] [--node=24] [--rounds=5]`: nothing runs everything; `smoke` is a quick look that is not saved.
 * The benches of `local` run on this Node and on Node 24, which npx fetches; `--node` chooses: `--node=this`, `--node=24`.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Bench } from './bench.js';
import { benches } from './benches.js';
import { measure, type Plan, type Runtime } from './harness.js';
import { load, type Result, resultsOf, save, summary, table } from './report.js';

const full: Plan = { rounds: 7, warmUp: 2, size: bench => bench.size.full };
const smoke: Plan = { rounds: 3, warmUp: 1, size: bench => bench.size.smoke ?? bench.size.full };

/** As the full run, with one round to warm up. */
function rounds(count: number): Plan {
  if (!Number.isInteger(count) || count < 1) throw new Error(`--rounds: ${count}; it must be an integer from 1.`);
  return { ...full, rounds: count, warmUp: 1 };
}

function select(what: string): readonly Bench[] {
  if (what === 'all') return benches;
  if (what === 'smoke') return benches.filter(bench => bench.size.smoke !== undefined);
  const chosen = benches.filter(
    bench => bench.group === what || bench.id === what || bench.metrics.some(metric => metric.id === what),
  );
  if (chosen.length > 0) return chosen;
  const groups = [...new Set(benches.map(bench => bench.group))];
  throw new Error(
    `No bench '${what}'; there are: smoke, ${[...groups, ...benches.map(bench => bench.id)].join(', ')}.`,
  );
}

/** This Node, or the newest one of a major version. */
function runtimeOf(name: string): Runtime {
  if (name === 'this') return { execPath: process.execPath, version: process.version };
  const script = 'JSON.stringify({ execPath: process.execPath, version: process.version })';
  return JSON.parse(execFileSync('npx', ['-y', `node@${name}`, '-p', script], { encoding: 'utf8' }));
}

const { values, positionals } = parseArgs({
  options: { node: { type: 'string' }, rounds: { type: 'string' } },
  allowPositionals: true,
});
const what = positionals.length === 0 ? ['all'] : positionals;
const plan = what.includes('smoke') ? smoke : values.rounds === undefined ? full : rounds(Number(values.rounds));
const chosen = [...new Set(what.flatMap(select))];
const runtimes = new Map<string, Runtime>();
const results: Result[] = [];
const file = join(import.meta.dirname, '../results.json');

for (const bench of chosen) {
  const names = values.node ?? (bench.group === 'local' && plan !== smoke ? 'this,24' : 'this');
  for (const name of names.split(',')) {
    const runtime = runtimes.get(name) ?? runtimeOf(name);
    runtimes.set(name, runtime);
    const outcome = await measure(bench, plan, runtime);
    console.log(table(outcome));
    if (outcome.failures.length > 0) process.exitCode = 1;
    results.push(...resultsOf(outcome));
    if (plan !== smoke) save(file, resultsOf(outcome));
  }
}
console.log(summary(chosen, plan !== smoke ? load(file) : results));
