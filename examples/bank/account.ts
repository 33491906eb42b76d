import { join } from 'node:path';
import { actor, type Context } from 'foundation-ts';
import { Ledger, type Transfer } from './ledger.js';

export interface AccountArgument {
  readonly name: string;
  readonly opening: number;
  /** The folder of the journals; every node must be able to reach it. */
  readonly journals: string;
}

export function journalOf(journals: string, name: string): string {
  return join(journals, `${name}.jsonl`);
}

/** How often a transfer that was not confirmed is sent again; milliseconds. */
const resendAfter = 250;

/**
 * A transfer goes: debit written here → `credit` to the other account → written there → `settled` back here. Each message may get
 * lost in a kill and each may come twice: what is unsettled is sent again, also after a restart, and ids make repetition harmless.
 * No account waits for another, so no two can wait for each other.
 */
export const Account = actor({
  name: 'account',
  init: ({ name, opening, journals }: AccountArgument, ctx: Context) => {
    ctx.after(0, 'resend');
    return new Ledger(journalOf(journals, name), opening);
  },
  calls: {
    transfer: (ledger, transfer: Transfer, ctx): 'done' | 'refused' => {
      if (!ledger.debit(transfer)) return 'refused';
      ctx.node.via(Account, transfer.to).cast('credit', transfer);
      return 'done';
    },
    balance: ledger => ({ balance: ledger.balance, unsettled: ledger.unsettled.length }),
  },
  casts: {
    credit: (ledger, transfer: Transfer, ctx): void => {
      ledger.credit(transfer);
      ctx.node.via(Account, transfer.from).cast('settled', transfer.id);
    },
    settled: (ledger, id: string): void => ledger.settle(id),
    resend: (ledger, _: undefined, ctx): void => {
      for (const transfer of ledger.unsettled) ctx.node.via(Account, transfer.to).cast('credit', transfer);
      ctx.after(resendAfter, 'resend');
    },
  },
});
