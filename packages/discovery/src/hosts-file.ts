import { type FSWatcher, watch as watchFolder } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type Address, checkKeys, invalidOption, type Timer } from '@foundation-ts/core';
import { addressSet, sameAddressSet } from './address-set.js';
import {
  HOSTS_FILE_MAX_WARNINGS,
  HOSTS_FILE_POLL_INTERVAL,
  HOSTS_FILE_RETRY_MAX,
  HOSTS_FILE_RETRY_MIN,
  HOSTS_FILE_SETTLE,
  MAX_ADDRESSES,
} from './defaults.js';
import { checkHostOptions, type HostOptions, resolveHostOptions, resolvePollInterval } from './host-options.js';
import { type HostsLines, readHostsLines } from './hosts-lines.js';
import { readHostsFile } from './hosts-text.js';
import { Latest } from './latest.js';
import type { DiscoveryContext, DiscoveryStrategy } from './strategy.js';

/** What {@link hostsFile} takes. */
export interface HostsFileInit extends HostOptions {
  /** The file: a `host`, `host:port` or `protocol://host:port` a line; what follows a `#` is a comment. At most 1 MiB and 4,096 addresses. */
  readonly path: string;
  /** How often to read it when the file system announces nothing, ms; default 5,000. */
  readonly pollInterval?: number;
}

/**
 * Names the addresses that stand in a file, which may change while nodes run: edited in place, replaced by renaming, or mounted from
 * a Kubernetes ConfigMap. A change is normally seen within milliseconds.
 *
 * A malformed line is skipped and logged once, with its number. A file that is missing, unreadable or too long is reported to the
 * context and changes nothing; a file without addresses is an empty set.
 * @throws FoundationError `invalid-option`
 */
export function hostsFile(init: HostsFileInit): DiscoveryStrategy {
  checkKeys('hostsFile', init, ['path', 'port', 'protocol', 'pollInterval']);
  checkHostOptions(init);
  if (typeof init.path !== 'string' || init.path === '') throw invalidOption('path', init.path, 'the path of a file');
  const path = resolve(init.path);
  const pollInterval = resolvePollInterval(init.pollInterval, HOSTS_FILE_POLL_INTERVAL);
  return {
    name: 'hosts-file',
    async *watch(ctx) {
      if (ctx.signal.aborted) return;
      const reader = new FileReader(path, ctx, pollInterval, resolveHostOptions(init, ctx));
      const stop = (): void => reader.stop();
      ctx.signal.addEventListener('abort', stop, { once: true });
      try {
        reader.start();
        yield* reader.latest;
      } finally {
        ctx.signal.removeEventListener('abort', stop);
        reader.stop();
      }
    },
  };
}

class FileReader {
  readonly latest: Latest<readonly Address[]>;
  readonly #path: string;
  readonly #folder: string;
  readonly #ctx: DiscoveryContext;
  readonly #interval: number;
  readonly #otherwise: Pick<Address, 'port' | 'protocol'>;
  readonly #warned = new Set<string>();
  #known: readonly Address[] | undefined;
  #events: FSWatcher | undefined;
  #watched: string | undefined;
  #eventsFailed = false;
  #failures = 0;
  #next: Timer | undefined;
  #settling: Timer | undefined;
  #reading = false;
  #readAgain = false;
  #stopped = false;

  constructor(path: string, ctx: DiscoveryContext, interval: number, otherwise: Pick<Address, 'port' | 'protocol'>) {
    this.latest = new Latest(ctx.signal);
    this.#path = path;
    this.#folder = dirname(path);
    this.#ctx = ctx;
    this.#interval = interval;
    this.#otherwise = otherwise;
  }

  start(): void {
    void this.#turn();
  }

  stop(): void {
    this.#stopped = true;
    this.#next?.cancel();
    this.#settling?.cancel();
    this.#events?.close();
    this.#events = undefined;
  }

  async #turn(): Promise<void> {
    if (this.#reading) {
      this.#readAgain = true;
      return;
    }
    this.#reading = true;
    this.#next?.cancel();
    const failure = await this.#look();
    this.#reading = false;
    if (this.#stopped) return;
    if (this.#readAgain) {
      this.#readAgain = false;
      return this.#schedule(HOSTS_FILE_SETTLE);
    }
    if (failure === undefined) {
      this.#failures = 0;
      this.#schedule(this.#interval);
    } else {
      this.#ctx.failed(failure);
      const longest = Math.max(HOSTS_FILE_RETRY_MAX, this.#interval);
      this.#schedule(Math.min(HOSTS_FILE_RETRY_MIN * 2 ** this.#failures++, longest));
    }
  }

  #schedule(wait: number): void {
    const { clock, random } = this.#ctx;
    this.#next?.cancel();
    this.#next = clock.setTimeout(() => void this.#turn(), wait * (0.8 + 0.4 * random.next()), { unref: true });
  }

  /** @returns what went wrong */
  async #look(): Promise<Error | undefined> {
    try {
      await this.#listen();
      const text = await readHostsFile(this.#path);
      if (!this.#stopped) this.#take(readHostsLines(text, this.#otherwise));
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }

  #take(lines: HostsLines): void {
    this.#warn(lines);
    const found = addressSet(lines.addresses);
    if (this.#known !== undefined && sameAddressSet(found, this.#known)) return;
    this.#known = found;
    this.latest.push(found);
  }

  #warn({ malformed, excess }: HostsLines): void {
    const { log } = this.#ctx;
    const file = this.#path;
    for (const { line, text } of malformed) {
      if (this.#warned.size >= HOSTS_FILE_MAX_WARNINGS) break;
      const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text;
      if (this.#warned.has(shown)) continue;
      this.#warned.add(shown);
      log.warn(
        { file, line, text: shown },
        `hosts file: skipped line ${line}, which is no host, host:port or protocol://host:port`,
      );
    }
    if (excess > 0 && !this.#warned.has('')) {
      this.#warned.add('');
      log.warn({ file, excess }, `hosts file: only the first ${MAX_ADDRESSES} addresses are taken`);
    }
  }

  /** Of the folder, because a file that is replaced, or lies behind a link that is, is another one afterwards. */
  async #listen(): Promise<void> {
    const stats = await stat(this.#folder).catch(() => undefined);
    const identity = stats === undefined ? undefined : `${stats.dev}:${stats.ino}:${stats.birthtimeMs}`;
    if (this.#stopped || (identity === this.#watched && this.#events !== undefined)) return;
    this.#events?.close();
    this.#events = undefined;
    this.#watched = identity;
    if (identity === undefined) return; // reading the file will say what is wrong
    try {
      const events = watchFolder(this.#folder, { persistent: false }, () => this.#noticed());
      events.on('error', error => this.#eventsLost(events, error));
      this.#events = events;
    } catch (error) {
      this.#eventsLost(undefined, error);
    }
  }

  /** Polling alone is slower but right; a machine can run out of watches. */
  #eventsLost(events: FSWatcher | undefined, error: unknown): void {
    events?.close();
    if (this.#events === events) this.#events = undefined;
    if (this.#eventsFailed) return;
    this.#eventsFailed = true;
    this.#ctx.log.warn(
      { folder: this.#folder, interval: this.#interval, error },
      'hosts file: no file events, so it is only polled',
    );
  }

  #noticed(): void {
    if (this.#stopped || this.#settling !== undefined) return;
    this.#settling = this.#ctx.clock.setTimeout(
      () => {
        this.#settling = undefined;
        if (!this.#stopped) void this.#turn();
      },
      HOSTS_FILE_SETTLE,
      { unref: true },
    );
  }
}
