import type { Address, Timer } from '@foundation-ts/core';
import { addressSet, sameAddressSet } from './address-set.js';
import { keepTrying, linked } from './attempts.js';
import { STORE_SETTLE } from './defaults.js';
import { Latest } from './latest.js';
import { parseNodeEntry } from './node-entry.js';
import type { DiscoveryContext } from './strategy.js';

/** What a store's session does with what it finds. */
export interface StoreReader {
  /** Aborted when nobody watches any more. */
  readonly signal: AbortSignal;
  /** Tells the whole of what the store holds, and may be read a little later; the store is well. */
  found(entries: Iterable<string>): void;
}

/**
 * The `watch` of a strategy on a store.
 * @param strategy - its name, for telemetry and logs
 * @param session - reads until the signal aborts; is run again when it ends, after a pause when it throws
 */
export async function* watchStore(
  strategy: string,
  what: string,
  ctx: DiscoveryContext,
  session: (reader: StoreReader) => Promise<void>,
): AsyncGenerator<readonly Address[], void, undefined> {
  const latest = new Latest<readonly Address[]>(ctx.signal);
  using stopping = linked(ctx.signal);
  let known: readonly Address[] | undefined;
  let warned = false;
  const malformed = (entry: string): void => {
    ctx.telemetry.emit(`discovery.${strategy}.dropped`, { count: 1 }, { reason: 'malformed' });
    if (warned) return;
    warned = true;
    const fields = { entry: entry.slice(0, 200) };
    ctx.log.warn(fields, `${strategy} discovery: ignored a malformed entry; more of them are only counted`);
  };
  let settle: Timer | undefined;
  let unread: Iterable<string> = [];
  const read = (): void => {
    const addresses: Address[] = [];
    for (const entry of unread) {
      const address = parseNodeEntry(entry);
      if (address === undefined) malformed(entry);
      else addresses.push(address);
    }
    const set = addressSet(addresses);
    if (known !== undefined && sameAddressSet(set, known)) return;
    known = set;
    latest.push(set);
  };
  const found = (entries: Iterable<string>): void => {
    unread = entries;
    if (known === undefined) {
      read();
      return;
    }
    // Not at once: a thousand nodes that start would cost a thousand readings of up to a thousand entries.
    settle ??= ctx.clock.setTimeout(
      () => {
        settle = undefined;
        read();
      },
      STORE_SETTLE,
      { unref: true },
    );
  };
  const reading = keepTrying(what, ctx, stopping.signal, succeeded =>
    session({
      signal: stopping.signal,
      found(entries) {
        succeeded();
        found(entries);
      },
    }),
  );
  reading.catch((error: unknown) => latest.fail(error));
  try {
    yield* latest;
  } finally {
    stopping.abort();
    await reading;
    settle?.cancel();
  }
}

/**
 * The `advertise` of a strategy on a store. Resolves after the first attempt, also when that failed: it is repeated.
 * @param session - keeps the node's entry in the store until the signal aborts, and takes it out then; calls `kept` each time
 *   it is in
 */
export async function advertiseInStore(
  what: string,
  ctx: DiscoveryContext,
  session: (signal: AbortSignal, kept: () => void) => Promise<void>,
): Promise<AsyncDisposable> {
  const stopping = linked(ctx.signal);
  let first = (): void => {};
  const tried = new Promise<void>(resolve => {
    first = resolve;
  });
  const keeping = keepTrying(what, ctx, stopping.signal, async succeeded => {
    try {
      await session(stopping.signal, () => {
        succeeded();
        first();
      });
    } finally {
      first();
    }
  });
  // one that fails otherwise rejects the disposal
  keeping.catch(first);
  await tried;
  return {
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await keeping;
      stopping[Symbol.dispose]();
    },
  };
}
