/** `npm run test:soak -- [--seconds n] [--every ms] [--seed s]`: two nodes at full rate while connections are cut at random. */
import { parseArgs } from 'node:util';
import { soak } from './soak.js';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    every: { type: 'string', default: '200' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const number = (option: 'seconds' | 'every' | 'seed'): number => {
  const value = Number(values[option]);
  if (Number.isFinite(value) && value > 0) return value;
  console.error(`--${option} is '${values[option]}'; allowed: a number above 0.`);
  process.exit(2);
};
const seed = number('seed');
console.log(`seed ${seed}`);
const result = await soak({ seconds: number('seconds'), every: number('every'), seed, report: console.log });
for (const [name, { before, after, rss }] of Object.entries(result.memory)) {
  console.log(
    `node ${name} held ${before.toFixed(1)} MiB in the middle of the run, ${after.toFixed(1)} at its end; rss ${rss.toFixed(0)}`,
  );
}
const { messages, calls, cuts } = result;
console.log(`${messages} messages, ${calls} calls, ${cuts} connections cut`);
for (const fault of result.faults) console.log(`WRONG: ${fault}`);
console.log(
  result.faults.length === 0
    ? 'all in order, nothing repeated, memory flat'
    : `${result.faults.length} faults; seed ${seed}`,
);
process.exit(result.faults.length === 0 ? 0 : 1);
