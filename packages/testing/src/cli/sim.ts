import { parseArgs } from 'node:util';
import { stderrLog, systemClock } from '@foundation-ts/core';
import { type ClusterRunResult, runCluster } from '../cluster-run.js';

const help = `Runs simulated clusters through random crashes, restarts, leaves and partitions, and checks them after healing.

  npm run sim -- [options]

  --seeds N   how many seeds (default 20)
  --from S    the first seed (default 1)
  --seed S    one seed, with its whole trace
  --nodes N   nodes a cluster (default 5)
  --steps N   faults and other steps a run (default 12; with --chaos 25)
  --chaos     harsher: slow lossy links, silent crashes, one-way cuts, flapping links, wall clocks an hour off, traffic
`;

/** A whole number from the command line. */
function integer(option: string, text: string, minimum: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < minimum) {
    process.stderr.write(`--${option} is '${text}'; allowed: a whole number, ${minimum} or more.\n`);
    process.exit(2);
  }
  return value;
}

function options(): {
  seeds: number;
  from: number;
  seed: number | undefined;
  nodes: number;
  steps: number;
  chaos: boolean;
} {
  try {
    const { values } = parseArgs({
      options: {
        seeds: { type: 'string', default: '20' },
        from: { type: 'string', default: '1' },
        seed: { type: 'string' },
        nodes: { type: 'string', default: '5' },
        steps: { type: 'string' },
        chaos: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(help);
      process.exit(0);
    }
    return {
      seeds: integer('seeds', values.seeds, 1),
      from: integer('from', values.from, 0),
      seed: values.seed === undefined ? undefined : integer('seed', values.seed, 0),
      nodes: integer('nodes', values.nodes, 3),
      steps: integer('steps', values.steps ?? (values.chaos ? '25' : '12'), 0),
      chaos: values.chaos,
    };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${help}`);
    process.exit(2);
  }
}

function report(result: ClusterRunResult, again: ClusterRunResult): void {
  process.stdout.write(`\nseed ${result.seed} FAILED\n`);
  for (const problem of result.problems) process.stdout.write(`  ${problem}\n`);
  const same = again.fingerprint === result.fingerprint;
  process.stdout.write(
    `  run again: ${same ? 'identical' : 'DIFFERENT'} (${result.fingerprint}, ${again.fingerprint})\n`,
  );
  process.stdout.write(`  to see it: npm run sim -- --seed ${result.seed}${chaos ? ' --chaos' : ''}\n`);
}

const { seeds, from, seed, nodes, steps, chaos } = options();
if (seed !== undefined) {
  const result = await runCluster(seed, { nodes, steps, chaos, log: stderrLog('warn') });
  for (const line of result.trace) process.stdout.write(`${line}\n`);
  for (const problem of result.problems) process.stdout.write(`PROBLEM ${problem}\n`);
  process.stdout.write(
    `seed ${seed}: ${result.problems.length === 0 ? 'passed' : 'FAILED'}, trace ${result.fingerprint}\n`,
  );
  process.exit(result.problems.length === 0 ? 0 : 1);
}
let failed = 0;
let simulated = 0;
const started = systemClock.now();
for (let current = from; current < from + seeds; current++) {
  const result = await runCluster(current, { nodes, steps, chaos });
  simulated += result.simulatedMs;
  if (result.problems.length === 0) {
    process.stdout.write('.');
  } else {
    failed++;
    report(result, await runCluster(current, { nodes, steps, chaos }));
  }
}
const seconds = (systemClock.now() - started) / 1_000;
process.stdout.write(
  `\n${seeds} seeds (${from} to ${from + seeds - 1}), ${nodes} nodes, ${steps} steps each: ${seeds - failed} passed, ${failed} failed; ${Math.round(simulated / 60_000)} simulated minutes in ${seconds.toFixed(1)} s\n`,
);
process.exit(failed === 0 ? 0 : 1);
