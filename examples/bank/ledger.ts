import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';

/** Money on its way from one account to another. Whoever hears of the same id again does nothing. */
export interface Transfer {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly amount: number;
}

type Entry =
  | { readonly type: 'opened'; readonly amount: number }
  | { readonly type: 'debit' | 'credit'; readonly transfer: Transfer }
  | { readonly type: 'settled'; readonly id: string };

/** One account's money, kept in a file that is only ever appended to. Reading the file again gives the same ledger. */
export class Ledger {
  readonly #path: string;
  readonly #seen = new Set<string>();
  readonly #unsettled = new Map<string, Transfer>();
  #balance = 0;

  /** Reads the journal at `path`, or begins one with `opening`. */
  constructor(path: string, opening: number) {
    this.#path = path;
    const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    // A process killed while it wrote leaves half a line; nobody was told of it.
    if (whole.length < text.length) truncateSync(path, Buffer.byteLength(whole));
    for (const line of whole.split('\n')) if (line !== '') this.#apply(JSON.parse(line));
    if (whole === '') this.#record({ type: 'opened', amount: opening });
  }

  get balance(): number {
    return this.#balance;
  }

  /** Transfers that left this account and may not have arrived yet. */
  get unsettled(): readonly Transfer[] {
    return [...this.#unsettled.values()];
  }

  /** @returns whether the money has left the account; `false` when there is too little */
  debit(transfer: Transfer): boolean {
    if (this.#seen.has(`debit ${transfer.id}`)) return true;
    if (this.#balance < transfer.amount) return false;
    this.#record({ type: 'debit', transfer });
    return true;
  }

  credit(transfer: Transfer): void {
    if (!this.#seen.has(`credit ${transfer.id}`)) this.#record({ type: 'credit', transfer });
  }

  /** The transfer has arrived. */
  settle(id: string): void {
    if (this.#unsettled.has(id)) this.#record({ type: 'settled', id });
  }

  /** First the file, then the memory. (A kill can't undo the write; against a power cut it would also need an fsync.) */
  #record(entry: Entry): void {
    appendFileSync(this.#path, `${JSON.stringify(entry)}\n`);
    this.#apply(entry);
  }

  #apply(entry: Entry): void {
    if (entry.type === 'opened') this.#balance = entry.amount;
    else if (entry.type === 'settled') this.#unsettled.delete(entry.id);
    else {
      this.#seen.add(`${entry.type} ${entry.transfer.id}`);
      this.#balance += entry.type === 'credit' ? entry.transfer.amount : -entry.transfer.amount;
      if (entry.type === 'debit') this.#unsettled.set(entry.transfer.id, entry.transfer);
    }
  }
}
