import type { RemoteInfo } from 'node:dgram';
import { type Address, FoundationError, type Timer } from '@foundation-ts/core';
import { sameAddressSet } from './address-set.js';
import type { Agent } from './agent-pool.js';
import {
  GOSSIP_DROP_REPORT_INTERVAL,
  GOSSIP_FIRST_ROUND,
  GOSSIP_FLOOD,
  GOSSIP_INTERFACE_INTERVAL,
  GOSSIP_RETRY_MAX,
  GOSSIP_RETRY_MIN,
  GOSSIP_SETTLE,
} from './defaults.js';
import { DropLog, type DropLogInit } from './drop-log.js';
import { DatagramCodec, type Refusal } from './gossip-datagram.js';
import { isLoopback } from './gossip-interfaces.js';
import { GossipSockets, type GossipSocketsInit } from './gossip-sockets.js';
import {
  createGossipState,
  type GossipDrop,
  type GossipInput,
  type GossipRules,
  type GossipState,
  knownAddresses,
  stepGossip,
  wakeAt,
} from './gossip-state.js';
import type { Latest } from './latest.js';
import type { Advertised, DiscoveryContext } from './strategy.js';

/** The resolved options of gossip. */
export interface GossipSettings
  extends GossipRules,
    Pick<GossipSocketsInit, 'port' | 'multicastAddress' | 'broadcast' | 'interfaces' | 'multicastTtl'> {}

type Drop = Refusal | GossipDrop | 'not-loopback';

/** The shell around {@link stepGossip}: sockets and timers of one node, shared by its watches and its advertisement. */
export class GossipAgent implements Agent {
  readonly #settings: GossipSettings;
  readonly #ctx: DiscoveryContext;
  readonly #codec: DatagramCodec;
  readonly #state: GossipState;
  readonly #watches = new Set<Latest<readonly Address[]>>();
  readonly #drops: DropLog<Drop>;
  readonly #sending = new Set<Promise<void>>();
  #sockets: GossipSockets | undefined;
  #opening: Promise<void> | undefined;
  #retryDelay = GOSSIP_RETRY_MIN;
  #wasOpen = false;
  #wake: Timer | undefined;
  #wakeDue = Number.POSITIVE_INFINITY;
  #retry: Timer | undefined;
  #interfaces: Timer | undefined;
  #settle: Timer | undefined;
  #firstRound: Timer | undefined;
  readonly #startedAt: number;
  #published: readonly Address[] = [];
  #closed = false;

  constructor(settings: GossipSettings, ctx: DiscoveryContext) {
    this.#settings = settings;
    this.#ctx = ctx;
    this.#startedAt = ctx.clock.now();
    this.#codec = new DatagramCodec(ctx.self.clusterId, ctx.secret, ctx.random, ctx.accepts);
    this.#state = createGossipState(settings);
    this.#drops = new DropLog({ ...dropLog, interval: GOSSIP_DROP_REPORT_INTERVAL }, ctx, hostile => {
      if (hostile > GOSSIP_FLOOD) this.#step({ type: 'flooded' });
    });
  }

  /** Resolves after the first attempt to open the sockets, also when it failed (it is repeated then). */
  opened(): Promise<void> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  addWatch(watch: Latest<readonly Address[]>): void {
    this.#watches.add(watch);
    if (this.#published.length > 0) watch.push(this.#published);
  }

  removeWatch(watch: Latest<readonly Address[]>): void {
    this.#watches.delete(watch);
  }

  advertise(self: Advertised): void {
    if (this.#state.self !== undefined) {
      throw new FoundationError('invalid-operation', `Node '${self.name}' is advertised by this strategy already.`);
    }
    // throws when it doesn't fit
    this.#codec.encode({
      kind: 'goodbye',
      node: self,
      sequence: Number.MAX_SAFE_INTEGER,
      sentAt: Number.MAX_SAFE_INTEGER,
      interval: this.#settings.interval,
    });
    this.#step({ type: 'advertise', self });
  }

  /** Says goodbye, and resolves when that has left. */
  async withdraw(): Promise<void> {
    this.#step({ type: 'withdraw' });
    await Promise.all(this.#sending);
  }

  close(): void {
    this.#closed = true;
    for (const timer of [this.#wake, this.#retry, this.#interfaces, this.#settle, this.#firstRound]) {
      timer?.cancel();
    }
    this.#drops.flush();
    this.#sockets?.close();
    this.#sockets = undefined;
  }

  async #open(): Promise<void> {
    if (this.#closed) return;
    const { port, multicastAddress, broadcast, interfaces, multicastTtl } = this.#settings;
    const sockets = new GossipSockets({
      port,
      multicastAddress,
      broadcast,
      interfaces,
      multicastTtl,
      received: (datagram, from) => this.#received(datagram, from),
      failed: error => this.#failed(error),
      interfaceFailed: (address, error) => this.#fail(`on the interface ${address}`, error),
    });
    this.#sockets = sockets;
    try {
      await sockets.open();
    } catch (error) {
      sockets.close();
      this.#failed(error as Error);
      return;
    }
    if (this.#closed) {
      sockets.close();
      return;
    }
    this.#retryDelay = GOSSIP_RETRY_MIN;
    this.#watchInterfaces();
    if (this.#wasOpen) this.#step({ type: 'reconnected' });
    this.#wasOpen = true;
  }

  #failed(error: Error): void {
    if (this.#closed) return;
    this.#sockets = undefined;
    this.#interfaces?.cancel();
    this.#wake?.cancel();
    this.#wake = undefined;
    this.#wasOpen = true;
    const delay = this.#retryDelay * (0.8 + 0.4 * this.#ctx.random.next());
    this.#retryDelay = Math.min(this.#retryDelay * 2, GOSSIP_RETRY_MAX);
    this.#retry = this.#ctx.clock.setTimeout(() => void this.#open(), delay, { unref: true });
    this.#fail(`on UDP port ${this.#settings.port}; tried again in ${Math.round(delay)} ms`, error);
  }

  #fail(where: string, cause: Error): void {
    if (this.#closed) return;
    const message = `Gossip discovery failed ${where}: ${cause.message}.`;
    this.#ctx.failed(new FoundationError('noconnection', message, { cause }));
  }

  #watchInterfaces(): void {
    const wait = GOSSIP_INTERFACE_INTERVAL * (0.8 + 0.4 * this.#ctx.random.next());
    this.#interfaces = this.#ctx.clock.setTimeout(
      () => {
        const sockets = this.#sockets;
        if (sockets === undefined) return;
        this.#watchInterfaces();
        sockets.refresh().catch((error: Error) => this.#fail('while it looked at the interfaces', error));
      },
      wait,
      { unref: true },
    );
  }

  #received(datagram: Uint8Array, from: RemoteInfo): void {
    const outsider = this.#ctx.secret === undefined && !isLoopback(from.address);
    const beat = outsider ? 'not-loopback' : this.#codec.decode(datagram);
    if (typeof beat === 'string') this.#drops.drop(beat, from.address);
    else this.#step({ type: 'heard', beat }, from);
  }

  #step(input: GossipInput, from?: RemoteInfo): void {
    if (this.#closed) return;
    const { clock, random } = this.#ctx;
    const moment = { now: clock.now(), wallTime: clock.wallTime(), random: random.next() };
    for (const effect of stepGossip(this.#state, input, moment)) {
      if (effect.type === 'send') this.#send(this.#codec.encode(effect.beat));
      else if (effect.type === 'changed') this.#publishSoon();
      else this.#drops.drop(effect.reason, from?.address);
    }
    this.#schedule();
  }

  /** Not at once: a thousand newcomers would cost a thousand sorted sets of up to a thousand. That nobody else is there, not before all could answer. */
  #publishSoon(): void {
    const { clock } = this.#ctx;
    this.#settle ??= clock.setTimeout(
      () => {
        this.#settle = undefined;
        const alone = this.#published.length === 0 && this.#state.entries.size === 0;
        const wait = alone ? this.#startedAt + GOSSIP_FIRST_ROUND - clock.now() : 0;
        if (wait <= 0) this.#publish();
        else this.#firstRound ??= clock.setTimeout(() => this.#publish(), wait, { unref: true });
      },
      GOSSIP_SETTLE,
      { unref: true },
    );
  }

  #publish(): void {
    const known = knownAddresses(this.#state);
    if (sameAddressSet(known, this.#published)) return;
    this.#published = known;
    for (const watch of this.#watches) watch.push(known);
  }

  #send(datagram: Uint8Array): void {
    const sending = this.#sockets?.send(datagram);
    if (sending === undefined) return;
    this.#sending.add(sending);
    void sending.finally(() => this.#sending.delete(sending));
  }

  /** While the sockets are closed nothing is scheduled: there is nobody to hear, so nobody falls silent. */
  #schedule(): void {
    const due = wakeAt(this.#state);
    if (due === this.#wakeDue && this.#wake !== undefined) return;
    this.#wake?.cancel();
    this.#wake = undefined;
    this.#wakeDue = due;
    if (due === Number.POSITIVE_INFINITY || this.#sockets === undefined) return;
    const tick = (): void => {
      this.#wake = undefined;
      // a flood may not have been reported yet when somebody's time is over
      if (this.#drops.unusual > GOSSIP_FLOOD) this.#step({ type: 'flooded' });
      this.#step({ type: 'tick' });
    };
    this.#wake = this.#ctx.clock.setTimeout(tick, due - this.#ctx.clock.now(), { unref: true });
  }
}

const dropLog: Omit<DropLogInit<Drop>, 'interval'> = {
  strategy: 'gossip',
  what: 'a datagram',
  // what any network with two clusters on it, or any node with two interfaces, sees all day
  usual: new Set<Drop>(['foreign-cluster', 'replayed']),
  advice: {
    unauthenticated: { hint: 'a node with another secret, or an intruder' },
    stale: { hint: 'the wall clocks of the two machines differ too much; set them' },
    'table-full': { hint: 'raise maxEntries if the cluster is that large' },
  },
};
