import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { child, isFoundationError, ThreadBroker, threads } from 'foundation-ts';
import { Account, journalOf } from './account.js';
import { certificatesIn } from './certificates.js';
import { Ledger, type Transfer } from './ledger.js';
import { type BankNodeSetup, connectionOf, startBankNode } from './node.js';
import { type BankWorker, startProcess, startThread, threadConnection } from './workers.js';

const names = Array.from({ length: 12 }, (_, number) => `account-${number}`);
const opening = 1_000;
const tellers = 8;
const kills = 3;
/** Milliseconds. */
const betweenKills = 2_000;
const patience = 30_000;

const allowed = ['tcp', 'ws', 'tls', 'threads'];
const { values } = parseArgs({ options: { transport: { type: 'string', default: 'tcp' } } });
const { transport } = values;
if (!allowed.includes(transport)) {
  console.error(`--transport is '${transport}'; allowed: ${allowed.join(', ')}.`);
  process.exit(1);
}

const clusterId = `bank-${randomBytes(6).toString('hex')}`;
const journals = mkdtempSync(join(tmpdir(), 'bank-'));
const workers = new Map<string, BankWorker>();
process.once('exit', () => {
  for (const worker of workers.values()) worker.kill();
  rmSync(journals, { recursive: true, force: true });
});
process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(143));

const own = 'bank-1';
const issue = transport === 'tls' ? certificatesIn(join(journals, 'certificates')) : undefined;
const setupOf = (name: string): BankNodeSetup => ({
  ...{ name, clusterId, transport: transport === 'ws' ? 'ws' : 'tcp' },
  ...(issue === undefined ? {} : { tls: issue(name) }),
});
const broker = transport === 'threads' ? new ThreadBroker() : undefined;

async function startWorker(name: string): Promise<void> {
  const starting =
    broker === undefined ? startProcess(setupOf(name)) : startThread({ name, clusterId, seed: own }, broker);
  workers.set(name, await starting);
}

/** Tries until there is a result. To ask again is harmless here: transfers have ids, everything else only reads. */
async function persist<T>(what: string, attempt: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (const deadline = performance.now() + patience; ; await sleep(20)) {
    try {
      const result = await attempt();
      if (result !== undefined) return result;
      if (performance.now() > deadline) throw new Error(`Gave up after ${patience / 1000} s: ${what}.`);
    } catch (error) {
      if (!isFoundationError(error) || performance.now() > deadline) throw error;
    }
  }
}

const setup = setupOf(own);
const connection =
  broker === undefined ? connectionOf(setup) : threadConnection(own, own, threads({ broker, name: own }));
const { node, accounts } = await startBankNode(setup, { ...connection, handleSignals: false });
await Promise.all([startWorker('bank-2'), startWorker('bank-3')]);
await persist('the nodes did not find each other', () => node.members().length === 3 || undefined);
await Promise.all(names.map(name => accounts.startChild(child(Account({ name, opening, journals }), { id: name }))));
console.log(
  `${names.length} accounts with ${opening} each; nodes: ${node
    .members()
    .map(({ name }) => name)
    .join(', ')}`,
);

const expected = new Map(names.map(name => [name, opening]));
const add = (name: string, amount: number) => expected.set(name, (expected.get(name) ?? 0) + amount);
const count = { done: 0, refused: 0 };
let open = true;

/** Makes one transfer after the other, each until its outcome is known. */
async function teller(desk: number): Promise<void> {
  for (let number = 0; open; number++) {
    const from = (desk * 7 + number) % names.length;
    const to = (from + 1 + (number % (names.length - 1))) % names.length;
    const amount = 1 + ((number * 37) % 200);
    const transfer: Transfer = { id: `${desk}-${number}`, from: `account-${from}`, to: `account-${to}`, amount };
    const outcome = await persist(`${transfer.from} did not answer`, () =>
      node.via(Account, transfer.from).call('transfer', transfer, { timeout: 1_000 }),
    );
    count[outcome]++;
    if (outcome === 'refused') continue;
    add(transfer.from, -amount);
    add(transfer.to, amount);
  }
}

const working = Promise.all(Array.from({ length: tellers }, (_, desk) => teller(desk)));
for (let kill = 0; kill < kills; kill++) {
  await sleep(betweenKills);
  const [name = '', worker] = [...workers][0] ?? [];
  console.log(`${count.done} transfers done; ${name} is killed, and a new node takes its place`);
  workers.delete(name);
  worker?.kill();
  await startWorker(`bank-${4 + kill}`);
}
await sleep(betweenKills);
open = false;
await working;
console.log(`${count.done} transfers done, ${count.refused} refused for want of money`);

// The audit. Nothing may be on its way any more; then each account has exactly what the tellers were told.
const ask = (name: string) => node.via(Account, name).call('balance', undefined, { timeout: 1_000 });
await persist('some transfers never arrived', async () => {
  const answers = await Promise.all(names.map(ask));
  return answers.every(answer => answer.unsettled === 0) || undefined;
});
let total = 0;
let right = 0;
for (const name of names) {
  const { balance } = await persist(`${name} did not answer`, () => ask(name));
  const written = new Ledger(journalOf(journals, name), opening).balance;
  if (balance === expected.get(name) && balance === written) right++;
  else console.log(`WRONG: ${name} has ${balance}; expected ${expected.get(name)}; its journal says ${written}`);
  total += balance;
}
const start = opening * names.length;
console.log(`${right} of ${names.length} accounts right; total ${total}, at the start ${start}`);
process.exit(right === names.length && total === start ? 0 : 1);
