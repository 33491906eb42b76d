import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { Ledger, type Transfer } from '../ledger.js';

test('opens once, and comes back from its file with the same money and the same open transfers', () => {
  const path = journal();
  const ledger = new Ledger(path, 100);
  ledger.debit(transfer('a', 30));
  ledger.debit(transfer('b', 20));
  ledger.credit(transfer('c', 5));
  ledger.settle('a');
  const again = new Ledger(path, 999);
  expect(again.balance).toBe(55);
  expect(again.unsettled).toEqual([transfer('b', 20)]);
});

test('does a transfer once however often it hears of it, also after a restart', () => {
  const path = journal();
  for (let time = 0; time < 3; time++) {
    const ledger = new Ledger(path, 100);
    expect(ledger.debit(transfer('a', 80))).toBe(true);
    expect(ledger.debit(transfer('a', 80))).toBe(true);
    ledger.credit(transfer('b', 1));
    ledger.credit(transfer('b', 1));
    expect(ledger.balance).toBe(21);
  }
});

test('refuses what it has not got and writes nothing down', () => {
  const path = journal();
  const ledger = new Ledger(path, 10);
  const before = readFileSync(path, 'utf8');
  expect(ledger.debit(transfer('a', 11))).toBe(false);
  expect(readFileSync(path, 'utf8')).toBe(before);
});

test('drops half a line that a kill left, and writes on after it', () => {
  const path = journal();
  new Ledger(path, 100).debit(transfer('a', 30));
  appendFileSync(path, '{"type":"credit","transf');
  const ledger = new Ledger(path, 100);
  expect(ledger.balance).toBe(70);
  ledger.credit(transfer('b', 1));
  expect(new Ledger(path, 100).balance).toBe(71);
});

test('conserves the total over two accounts whatever is lost, repeated or killed', () => {
  const step = fc.record({
    what: fc.constantFrom('transfer', 'credit', 'settle', 'restart'),
    from: fc.integer({ min: 0, max: 1 }),
    id: fc.integer({ min: 0, max: 4 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), steps => {
      const paths = [journal(), journal()] as const;
      const ledgers = [new Ledger(paths[0], 50), new Ledger(paths[1], 50)] as [Ledger, Ledger];
      const sent: Transfer[] = [];
      const arrived = new Set<string>();
      const arrive = (each: Transfer) => {
        ledgers[each.to === '0' ? 0 : 1].credit(each);
        arrived.add(each.id);
      };
      for (const { what, from, id } of steps) {
        const each = { id: `${from}-${id}`, from: `${from}`, to: `${1 - from}`, amount: 10 + id };
        const source = ledgers[from === 0 ? 0 : 1];
        if (what === 'transfer' && source.debit(each)) sent.push(each);
        else if (what === 'credit' && sent.some(other => other.id === each.id)) arrive(each);
        else if (what === 'settle' && arrived.has(each.id)) source.settle(each.id);
        else if (what === 'restart') ledgers[from === 0 ? 0 : 1] = new Ledger(paths[from === 0 ? 0 : 1], 50);
      }
      for (const ledger of ledgers) for (const each of ledger.unsettled) arrive(each);
      expect(ledgers[0].balance + ledgers[1].balance).toBe(100);
      expect(Math.min(ledgers[0].balance, ledgers[1].balance)).toBeGreaterThanOrEqual(0);
    }),
    { numRuns: 50 },
  );
});

function journal(): string {
  const folder = mkdtempSync(join(tmpdir(), 'bank-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, 'journal.jsonl');
}

function transfer(id: string, amount: number): Transfer {
  return { id, from: 'x', to: 'y', amount };
}
