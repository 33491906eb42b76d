import { type FSWatcher, watch as watchFolder } from 'node:fs';
import { resolve } from 'node:path';
import { type Address, checkKeys, FoundationError, invalidOption, type Timer } from '@foundation-ts/core';
import { addressSet, sameAddressSet } from './address-set.js';
import { SAME_HOST_POLL_INTERVAL, SAME_HOST_SETTLE } from './defaults.js';
import { Latest } from './latest.js';
import { SameHostFolder } from './same-host-folder.js';
import type { Advertised, DiscoveryContext, DiscoveryStrategy } from './strategy.js';

/** What {@link sameHost} takes. */
export interface SameHostInit {
  /**
   * The folder that the nodes share, of one user and closed to others; created when missing. Default: `foundation` in
   * `$XDG_RUNTIME_DIR`, or `foundation-<uid>` in the folder for temporary files. Each cluster has a folder of its own in it.
   */
  readonly directory?: string;
  /** How often to look when the file system announces nothing, ms; default 1,000. Bounds how long a killed process is named. */
  readonly pollInterval?: number;
}

/**
 * Finds the nodes that the same user runs on the same machine, in several processes or in one, without any network: each
 * writes a file into a folder that they share. A change is normally seen within milliseconds, a killed process at the
 * next poll (its file is removed then).
 *
 * Its watch throws FoundationError `insecure` when the folder belongs to someone else or others may write to it.
 * @throws FoundationError `invalid-option`
 */
export function sameHost(init: SameHostInit = {}): DiscoveryStrategy {
  checkKeys('sameHost', init, ['directory', 'pollInterval']);
  const { directory, pollInterval = SAME_HOST_POLL_INTERVAL } = init;
  if (!Number.isFinite(pollInterval) || pollInterval < 1) {
    throw invalidOption('pollInterval', pollInterval, 'a number of milliseconds, at least 1');
  }
  if (directory !== undefined && (typeof directory !== 'string' || directory === '')) {
    throw invalidOption('directory', directory, 'the path of a folder');
  }
  const base = directory === undefined ? undefined : resolve(directory);
  return {
    name: 'same-host',
    async *watch(ctx) {
      const watcher = new FolderWatcher(new SameHostFolder(ctx.self.clusterId, base), ctx, pollInterval);
      try {
        await watcher.start();
        yield* watcher.latest;
      } finally {
        watcher.stop();
      }
    },
    async advertise(self, ctx) {
      const entry = new FolderEntry(new SameHostFolder(self.clusterId, base), self, ctx, pollInterval);
      await entry.start();
      return entry;
    },
  };
}

const jittered = (ctx: DiscoveryContext, interval: number): number => interval * (0.8 + 0.4 * ctx.random.next());

class FolderWatcher {
  readonly latest: Latest<readonly Address[]>;
  readonly #folder: SameHostFolder;
  readonly #ctx: DiscoveryContext;
  readonly #interval: number;
  readonly #warned = new Set<string>();
  #known: readonly Address[] | undefined;
  #events: FSWatcher | undefined;
  #identity: string | undefined;
  #eventsFailed = false;
  #poll: Timer | undefined;
  #settle: Timer | undefined;
  #stopped = false;

  constructor(folder: SameHostFolder, ctx: DiscoveryContext, interval: number) {
    this.latest = new Latest(ctx.signal);
    this.#folder = folder;
    this.#ctx = ctx;
    this.#interval = interval;
  }

  async start(): Promise<void> {
    await this.#folder.prepare();
    this.#listen();
    this.#scan();
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    this.#poll?.cancel();
    this.#settle?.cancel();
    this.#events?.close();
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#poll = this.#ctx.clock.setTimeout(() => void this.#look(), jittered(this.#ctx, this.#interval), {
      unref: true,
    });
  }

  async #look(): Promise<void> {
    try {
      // a cleaner of temporary files may have taken the folder away, and its watcher with it
      if (this.#folder.identity() !== this.#identity) this.#listen();
      this.#scan();
    } catch (error) {
      if (!this.#stopped) this.#ctx.failed(error as Error);
      await this.#repair();
    }
    this.#schedule();
  }

  async #repair(): Promise<void> {
    if (this.#stopped) return;
    this.#identity = undefined;
    try {
      await this.#folder.prepare();
    } catch (error) {
      this.#ctx.log.debug({ folder: this.#folder.path, error }, 'same-host discovery: folder not usable yet');
    }
  }

  #scan(): void {
    const { nodes, malformed } = this.#folder.list(this.#ctx.self.clusterId);
    for (const { file, reason } of malformed) {
      if (this.#warned.has(file)) continue;
      this.#warned.add(file);
      this.#ctx.log.warn({ folder: this.#folder.path, file, reason }, 'same-host discovery: ignored a malformed file');
    }
    if (this.#warned.size > malformed.length) this.#forgetWarnings(malformed);
    const found = addressSet(nodes.map(node => node.address));
    if (this.#known !== undefined && sameAddressSet(found, this.#known)) return;
    this.#known = found;
    this.latest.push(found);
  }

  #forgetWarnings(malformed: readonly { readonly file: string }[]): void {
    this.#warned.clear();
    for (const { file } of malformed) this.#warned.add(file);
  }

  #listen(): void {
    this.#events?.close();
    this.#events = undefined;
    this.#identity = this.#folder.identity();
    try {
      const events = watchFolder(this.#folder.path, { persistent: false }, () => this.#noticed());
      events.on('error', error => this.#eventsLost(events, error));
      this.#events = events;
    } catch (error) {
      this.#eventsLost(undefined, error);
    }
  }

  /** Polling alone is slower but right; a machine can run out of watches. */
  #eventsLost(events: FSWatcher | undefined, error: unknown): void {
    events?.close();
    if (this.#eventsFailed) return;
    this.#eventsFailed = true;
    this.#ctx.log.warn(
      { folder: this.#folder.path, interval: this.#interval, error },
      'same-host discovery: no file events, so the folder is only polled',
    );
  }

  #noticed(): void {
    if (this.#stopped || this.#settle !== undefined) return;
    this.#settle = this.#ctx.clock.setTimeout(
      () => {
        this.#settle = undefined;
        try {
          this.#scan();
        } catch (error) {
          this.#ctx.failed(error as Error);
        }
      },
      SAME_HOST_SETTLE,
      { unref: true },
    );
  }
}

/** A node's file: put back when a cleaner of temporary files removes it, removed on disposal. */
class FolderEntry implements AsyncDisposable {
  readonly #folder: SameHostFolder;
  readonly #self: Advertised;
  readonly #ctx: DiscoveryContext;
  readonly #interval: number;
  readonly #aborted = (): void => this.#end();
  #timer: Timer | undefined;
  #ended = false;

  constructor(folder: SameHostFolder, self: Advertised, ctx: DiscoveryContext, interval: number) {
    this.#folder = folder;
    this.#self = self;
    this.#ctx = ctx;
    this.#interval = interval;
  }

  async start(): Promise<void> {
    await this.#folder.prepare();
    if (this.#ctx.signal.aborted) {
      throw new FoundationError('aborted', `Node '${this.#self.name}' stopped before it was advertised.`);
    }
    this.#folder.write(this.#self);
    this.#ctx.signal.addEventListener('abort', this.#aborted, { once: true });
    this.#schedule();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ctx.signal.removeEventListener('abort', this.#aborted);
    this.#end();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#timer?.cancel();
    try {
      this.#folder.remove(this.#self);
    } catch (error) {
      // the file outlives us by this process at most: readers remove it then
      this.#ctx.log.warn({ file: this.#folder.fileOf(this.#self), error }, 'same-host discovery: file not removed');
    }
  }

  #schedule(): void {
    if (this.#ended) return;
    this.#timer = this.#ctx.clock.setTimeout(() => void this.#ensure(), jittered(this.#ctx, this.#interval), {
      unref: true,
    });
  }

  async #ensure(): Promise<void> {
    try {
      if (!this.#folder.has(this.#self)) {
        await this.#folder.prepare();
        if (!this.#ended) this.#folder.write(this.#self);
      }
    } catch (error) {
      if (!this.#ended) this.#ctx.failed(error as Error);
    }
    this.#schedule();
  }
}
