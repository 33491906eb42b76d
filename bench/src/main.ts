/**
 * `npm run bench -- [group | id | smoke]`: nothing runs everything; `smoke` is a quick look that is not saved.
 */
import { join } from 'node:path';
import type { Bench } from './bench.js';
import { benches } from './benches.js';
import { measure, type Plan } from './harness.js';
import { resultsOf, save, table } from './report.js';

const full: Plan = { rounds: 5, warmUp: 1, size: bench => bench.size.full };
const smoke: Plan = { rounds: 3, warmUp: 1, size: bench => bench.size.smoke ?? bench.size.full };

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

const what = process.argv[2] ?? 'all';
const plan = what === 'smoke' ? smoke : full;
for (const bench of select(what)) {
  const outcome = await measure(bench, plan);
  console.log(table(outcome));
  if (outcome.failures.length > 0) process.exitCode = 1;
  if (plan === full) save(join(import.meta.dirname, '../results.json'), resultsOf(outcome));
}
