import { parseArgs } from 'node:util';
import { Erlang, erlangMissing } from './erlang.js';
import { compare, describeDifference, ourTrace } from './trace.js';

const help = `Runs random supervision trees and faults on our supervisors and on OTP's, and compares what starts and stops.

  npm run test:oracle -- [options]

  --traces N  how many (default 500)
  --seed S    the first seed (default: at random)
`;

const { values } = parseArgs({
  options: {
    traces: { type: 'string', default: '500' },
    seed: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const traces = Number(values.traces);
const first = values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : Number(values.seed);
if (values.help) {
  process.stdout.write(help);
} else if (!(Number.isInteger(traces) && traces > 0 && Number.isInteger(first))) {
  process.stderr.write(`--traces is a whole number, 1 or more; --seed is a whole number.\n\n${help}`);
  process.exitCode = 2;
} else {
  const missing = erlangMissing();
  if (missing === undefined) process.exitCode = (await run()) ? 0 : 1;
  else process.stdout.write(`skipped: ${missing}\n`);
}

async function run(): Promise<boolean> {
  using erlang = new Erlang();
  let steps = 0;
  let differences = 0;
  for (let seed = first; seed < first + traces; seed++) {
    const trace = await ourTrace(seed);
    steps += trace.steps.length;
    const difference = await compare(trace, erlang);
    if (difference === undefined) continue;
    differences++;
    process.stdout.write(`${describeDifference(difference)}\n\n`);
  }
  process.stdout.write(
    `${traces} traces of ${steps} steps from seed ${first}: ${differences === 0 ? "all equal to OTP's" : `${differences} differ`}\n`,
  );
  return differences === 0;
}
