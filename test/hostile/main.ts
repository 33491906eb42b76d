/** `npm run test:hostile -- [--transport tcp|tls|ws] [--frames n] [--seed s] [--only session] [--attack text]`: every attack, then mutated frames, with figures. */
import { parseArgs } from 'node:util';
import { Arena, type ArenaInit, figures, type Wire, wires } from './arena.js';
import type { Attack } from './attack.js';
import { attacksOn, forbidden } from './attacks.js';
import { runMutations } from './mutation.js';
import { faults } from './verdict.js';

const { values } = parseArgs({
  options: {
    frames: { type: 'string', default: '20000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string' },
    attack: { type: 'string' },
    transport: { type: 'string', default: 'tcp' },
  },
});
const seed = Number(values.seed);
const frames = Number(values.frames);
const transport = values.transport as Wire;
if (!wires.includes(transport)) throw new Error(`--transport is '${transport}'; allowed: ${wires.join(', ')}`);
console.log(`seed ${seed}, over ${transport}`);
let failed = 0;

function report(line: string, found: readonly string[]): void {
  if (found.length > 0) failed++;
  console.log(
    `${found.length === 0 ? 'held  ' : 'FAILED'} ${line}${found.map(fault => `\n         ${fault}`).join('')}`,
  );
}

async function attackAll(attacks: readonly Attack[], init: Partial<ArenaInit> = {}): Promise<void> {
  const { attack: text } = values;
  const wanted = text === undefined ? attacks : attacks.filter(({ name }) => name.includes(text));
  if (wanted.length === 0) return;
  await using arena = await Arena.start({ seed, transport, ...init });
  for (const attack of wanted) {
    try {
      const verdict = await arena.run(attack.name, given => attack.run(given));
      report(figures(verdict), faults(verdict, attack));
    } catch (error) {
      report(attack.name, [(error as Error).message]);
    }
  }
}

async function mutateAll(): Promise<void> {
  await using arena = await Arena.start({ seed, transport });
  // In parts, so that memory is looked at on the way.
  const parts = Math.max(1, Math.ceil(frames / 50_000));
  for (let part = 0; part < parts; part++) {
    let mutated = { frames: 0, sessions: 0, closed: 0 };
    const verdict = await arena.run(`mutated frames, part ${part + 1} of ${parts}`, async given => {
      const only = values.only === undefined ? {} : { only: Number(values.only) };
      mutated = await runMutations(given, { seed: seed + part, frames: Math.ceil(frames / parts), ...only });
    });
    const rss = (verdict.after.rss / 1024 / 1024).toFixed(0);
    const line = `${figures(verdict)}; rss ${rss} MiB; ${mutated.frames} frames in ${mutated.sessions} sessions, ${mutated.closed} closed (seed ${seed + part})`;
    const told = values.only === undefined ? { told: /transport\.peer\.closed protocol/ } : {};
    report(line, faults(verdict, { name: '', heap: 64, ...told }));
  }
}
if (values.only === undefined) {
  await attackAll(attacksOn(transport));
  if (transport === 'tls') await attackAll(forbidden, { permissions: true });
}
if (values.attack === undefined || 'mutated frames'.includes(values.attack)) await mutateAll();
console.log(
  failed === 0
    ? 'everything held'
    : `${failed} failed; again: npm run test:hostile -- --transport ${transport} --frames ${frames} --seed ${seed}`,
);
process.exitCode = failed === 0 ? 0 : 1;
