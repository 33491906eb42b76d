import { type Address, FoundationError, type Timer } from '@foundation-ts/core';
import { sameAddressSet } from './address-set.js';
import type { Agent } from './agent-pool.js';
import {
  MDNS_DROP_REPORT_INTERVAL,
  MDNS_FIRST_ROUND,
  MDNS_INTERFACE_INTERVAL,
  MDNS_MAX_PACKET_BYTES,
  MDNS_RECEIVE_BURST,
  MDNS_RECEIVE_RATE,
  MDNS_RETRY_MAX,
  MDNS_RETRY_MIN,
  MDNS_SETTLE,
} from './defaults.js';
import { DropLog, type DropLogInit } from './drop-log.js';
import type { Latest } from './latest.js';
import { isInNetwork, isLoopbackAddress, type MdnsLink } from './mdns-link.js';
import type { Endpoint } from './mdns-record.js';
import { registrationOf } from './mdns-registration.js';
import { type MdnsNetwork, type MdnsNetworkEvents, MdnsSockets } from './mdns-sockets.js';
import {
  createMdnsState,
  type MdnsDrop,
  type MdnsInput,
  type MdnsRules,
  type MdnsState,
  mdnsWakeAt,
  namedByMdns,
  stepMdns,
} from './mdns-state.js';
import { RateLimit } from './rate-limit.js';
import type { Advertised, DiscoveryContext } from './strategy.js';

const LOUD_RENAMES = 10;

/** The resolved options of mDNS. */
export interface MdnsSettings extends MdnsRules {
  readonly interfaces: readonly string[] | undefined;
}

/** Makes the wire of an agent; {@link MdnsSockets} unless a test gives another. */
export type MakeMdnsNetwork = (uses: (link: MdnsLink) => boolean, events: MdnsNetworkEvents) => MdnsNetwork;

/**
 * Beside those of the rules:
 * - `oversized`: longer than 9,000 bytes; `flood`: more than is decoded
 * - `off-link`: from outside the networks of the links in use (RFC 6762 §11)
 */
type Drop = MdnsDrop | 'oversized' | 'flood' | 'off-link';

/** The shell around {@link stepMdns}: sockets and timers of one node, shared by its watches and its advertisement. */
export class MdnsAgent implements Agent {
  readonly #ctx: DiscoveryContext;
  readonly #settings: MdnsSettings;
  readonly #state: MdnsState;
  readonly #makeNetwork: MakeMdnsNetwork;
  readonly #watches = new Set<Latest<readonly Address[]>>();
  readonly #drops: DropLog<Drop>;
  readonly #budget = new RateLimit(MDNS_RECEIVE_RATE, MDNS_RECEIVE_BURST);
  readonly #sending = new Set<Promise<void>>();
  readonly #startedAt: number;
  #network: MdnsNetwork | undefined;
  #opening: Promise<void> | undefined;
  #refreshing: Promise<void> | undefined;
  #host: string | undefined;
  #retryDelay = MDNS_RETRY_MIN;
  #renames = 0;
  #linkless = false;
  #wake: Timer | undefined;
  #wakeDue = Number.POSITIVE_INFINITY;
  #look: Timer | undefined;
  #settle: Timer | undefined;
  #firstRound: Timer | undefined;
  #published: readonly Address[] = [];
  #closed = false;

  constructor(settings: MdnsSettings, ctx: DiscoveryContext, makeNetwork?: MakeMdnsNetwork) {
    this.#settings = settings;
    this.#ctx = ctx;
    this.#host = ctx.self.address?.host;
    this.#startedAt = ctx.clock.now();
    this.#state = createMdnsState(settings, ctx.self.clusterId);
    this.#drops = new DropLog({ ...dropLog, interval: MDNS_DROP_REPORT_INTERVAL }, ctx);
    const { port, interfaces } = settings;
    this.#makeNetwork = makeNetwork ?? ((uses, events) => new MdnsSockets({ port, interfaces, uses }, events));
  }

  opened(): Promise<void> {
    this.#opening ??= this.#refresh();
    return this.#opening;
  }

  addWatch(watch: Latest<readonly Address[]>): void {
    this.#watches.add(watch);
    if (this.#published.length > 0) watch.push(this.#published);
    if (this.#watches.size === 1) this.#step({ type: 'browse', on: true });
  }

  removeWatch(watch: Latest<readonly Address[]>): void {
    this.#watches.delete(watch);
    if (this.#watches.size === 0) this.#step({ type: 'browse', on: false });
  }

  advertise(self: Advertised): void {
    if (this.#state.registration !== undefined) {
      throw new FoundationError('invalid-operation', `Node '${self.name}' is advertised by this strategy already.`);
    }
    // throws when it doesn't fit
    registrationOf(self, this.#state.service, 0);
    const moved = this.#host !== self.address.host;
    this.#host = self.address.host;
    this.#step({ type: 'advertise', self });
    if (moved) void this.#refresh();
  }

  async withdraw(): Promise<void> {
    this.#step({ type: 'withdraw' });
    await Promise.all(this.#sending);
  }

  close(): void {
    this.#closed = true;
    for (const timer of [this.#wake, this.#look, this.#settle, this.#firstRound]) timer?.cancel();
    this.#drops.flush();
    this.#network?.close();
    this.#network = undefined;
  }

  /** Looks at the machine's links now, and from then on at intervals. */
  #refresh(): Promise<void> {
    this.#refreshing = (this.#refreshing ?? Promise.resolve()).then(() => this.#lookAtLinks());
    return this.#refreshing;
  }

  async #lookAtLinks(): Promise<void> {
    if (this.#closed) return;
    this.#look?.cancel();
    this.#network ??= this.#makeNetwork(link => this.#uses(link), {
      admits: (link, bytes, from) => this.#admits(link, bytes, from),
      received: (link, packet, from) => this.#step({ type: 'received', link: link.address, packet, from }, from),
      malformed: from => this.#drops.drop('malformed', from.address),
      linkFailed: (address, error) => this.#fail(`on the interface ${address}`, error),
    });
    let wait = MDNS_INTERFACE_INTERVAL;
    try {
      const links = await this.#network.refresh();
      this.#retryDelay = MDNS_RETRY_MIN;
      if (!this.#closed) this.#took(links);
    } catch (error) {
      this.#network?.close();
      this.#network = undefined;
      wait = this.#retryDelay;
      this.#retryDelay = Math.min(wait * 2, MDNS_RETRY_MAX);
      this.#fail(`on UDP port ${this.#settings.port}; tried again in about ${wait} ms`, error as Error);
    }
    if (this.#closed) return;
    const jittered = wait * (0.8 + 0.4 * this.#ctx.random.next());
    this.#look = this.#ctx.clock.setTimeout(() => void this.#refresh(), jittered, { unref: true });
  }

  #took(links: readonly MdnsLink[]): void {
    if (links.length === 0 && !this.#linkless) {
      const { interfaces } = this.#settings;
      this.#ctx.log.warn(
        { node: this.#ctx.self.name, host: this.#host, interfaces },
        'mdns discovery: the machine has no interface that serves this host and these interfaces; it is looked for again',
      );
    }
    this.#linkless = links.length === 0;
    this.#step({ type: 'links', links });
  }

  /** A node that is bound to loopback is found, and finds, on loopback alone; others stay off it unless it is asked for. */
  #uses(link: MdnsLink): boolean {
    const host = this.#host;
    if (host === undefined) return true;
    const isLocal = host === 'localhost' || isLoopbackAddress(host) || host === '::1';
    return isLoopbackAddress(link.address) ? isLocal || this.#settings.interfaces !== undefined : !isLocal;
  }

  #admits(link: MdnsLink, bytes: number, from: Endpoint): boolean {
    if (!isInNetwork(from.address, link)) {
      // Linux hands each socket what came for any of them; the one of the right link has it too
      const isOthers = this.#state.links.some(other => isInNetwork(from.address, other));
      if (!isOthers) this.#drops.drop('off-link', from.address);
      return false;
    }
    const refusal = bytes > MDNS_MAX_PACKET_BYTES ? 'oversized' : this.#isFlood(bytes) ? 'flood' : undefined;
    if (refusal !== undefined) this.#drops.drop(refusal, from.address);
    return refusal === undefined;
  }

  #isFlood(bytes: number): boolean {
    // what a packet costs at least
    return !this.#budget.take(Math.max(bytes, 200), this.#ctx.clock.now());
  }

  #step(input: MdnsInput, from?: Endpoint): void {
    if (this.#closed) return;
    const { clock, random, log, self } = this.#ctx;
    const moment = { now: clock.now(), random: () => random.next() };
    for (const effect of stepMdns(this.#state, input, moment)) {
      if (effect.type === 'send') this.#send(this.#network?.send(effect.link, effect.packet, effect.to));
      else if (effect.type === 'changed') this.#publishSoon();
      else if (effect.type === 'dropped') this.#drops.drop(effect.reason, from?.address, effect.count);
      else {
        const { from: taken, to } = effect;
        // who takes every name fills no log
        const level = ++this.#renames > LOUD_RENAMES ? 'debug' : 'info';
        log[level](
          { node: self.name, taken, name: to },
          'mdns discovery: the name is taken on this network; took the next',
        );
      }
    }
    this.#schedule();
  }

  #send(sending: Promise<void> | undefined): void {
    if (sending === undefined) return;
    this.#sending.add(sending);
    void sending.finally(() => this.#sending.delete(sending));
  }

  /** Not at once: what a packet brings is told in one value. */
  #publishSoon(): void {
    const { clock } = this.#ctx;
    this.#settle ??= clock.setTimeout(
      () => {
        this.#settle = undefined;
        const wait = this.#alone() ? this.#startedAt + MDNS_FIRST_ROUND - clock.now() : 0;
        if (wait <= 0) this.#publish();
        else this.#firstRound ??= clock.setTimeout(() => this.#publish(), wait, { unref: true });
      },
      MDNS_SETTLE,
      { unref: true },
    );
  }

  /** Whether it names only itself, and has named nobody yet. */
  #alone(): boolean {
    return (
      this.#published.length === 0 && this.#state.registration !== undefined && namedByMdns(this.#state).length === 1
    );
  }

  #publish(): void {
    const known = namedByMdns(this.#state);
    if (sameAddressSet(known, this.#published)) return;
    this.#published = known;
    for (const watch of this.#watches) watch.push(known);
  }

  #schedule(): void {
    const due = mdnsWakeAt(this.#state);
    if (due === this.#wakeDue && this.#wake !== undefined) return;
    this.#wake?.cancel();
    this.#wake = undefined;
    this.#wakeDue = due;
    if (due === Number.POSITIVE_INFINITY) return;
    const tick = (): void => {
      this.#wake = undefined;
      this.#step({ type: 'tick' });
    };
    this.#wake = this.#ctx.clock.setTimeout(tick, due - this.#ctx.clock.now(), { unref: true });
  }

  #fail(where: string, cause: Error): void {
    if (this.#closed) return;
    const message = `mDNS discovery failed ${where}: ${cause.message}.`;
    this.#ctx.failed(new FoundationError('noconnection', message, { cause }));
  }
}

const dropLog: Omit<DropLogInit<Drop>, 'interval'> = {
  strategy: 'mdns',
  what: 'something',
  // other networks of the machine are heard too
  usual: new Set<Drop>(['off-link']),
  advice: {
    flood: { hint: 'more arrives than is read; nodes that announce themselves meanwhile are seen late' },
    'table-full': { hint: 'raise maxInstances if there are that many services on the network' },
  },
};
