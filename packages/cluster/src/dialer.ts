import {
  type ActorSystem,
  type Address,
  FoundationError,
  formatAddress,
  isFoundationError,
  type Timer,
} from '@foundation-ts/core';
import type { Peer, PeerIdentity } from '@foundation-ts/transport';
import { DIAL_TIMEOUT_MS, LOUD_DIAL_FAILURES, MAX_COMPLAINTS, MAX_DIALS } from './defaults.js';
import { DialPace, inRing } from './dial-pace.js';
import { type DiscoverySource, DiscoverySources } from './discovery-sources.js';
import { Reconnects } from './reconnect.js';

/** What the dialer needs of its node. */
export interface DialerHost {
  dial(address: Address, options: { readonly timeout: number; readonly onConnected: () => void }): Promise<Peer>;
  /** Members that are worth a connection, with where they can be dialled. */
  wanted(): readonly { readonly name: string; readonly address: Address }[];
  /** Whether a connection stands: with any incarnation, or with the one given. */
  connected(name: string, incarnation?: number): boolean;
  /** The address of a member refused: nothing listens there. */
  refused(name: string): void;
  /** A dial is over, whatever came of it. */
  dialled(): void;
  /** A peer holds this incarnation of the node for gone. */
  goneFor(error: FoundationError): void;
}

/**
 * Keeps the node connected with whom discovery names and with the members it knows: dials, redials with jittered backoff, never
 * disconnects anyone. The one place where who is wanted is compared with who is connected.
 */
export class Dialer {
  readonly #system: ActorSystem;
  readonly #host: DialerHost;
  readonly #reconnects = new Reconnects();
  readonly #sources = new DiscoverySources();
  readonly #dialling = new Set<string>();
  readonly #pace = new DialPace();
  /** How many may be dialled, and wait for their turn. */
  #waiting = 0;
  /** Who answered at an address. */
  readonly #aliases = new Map<string, PeerIdentity>();
  readonly #complained = new Map<string, string>();
  /** Connections of which telemetry has been told. */
  readonly #told = new WeakSet<Peer>();
  #own = new Set<string>();
  /** The address behind which the ring begins: the node's own, or any. */
  #start: string | undefined;
  #timer: Timer | undefined = undefined;
  #stopped = false;

  constructor(system: ActorSystem, host: DialerHost) {
    this.#system = system;
    this.#host = host;
  }

  /** Where the node itself listens: never dialled. */
  setOwn(addresses: readonly Address[]): void {
    this.#own = new Set(addresses.map(formatAddress));
  }

  /** Everything that a discovery strategy knows now. */
  setSource(source: DiscoverySource, addresses: readonly Address[]): void {
    if (this.#stopped) return;
    const { topology, strategy } = source;
    const { found, lost } = this.#sources.set(source, addresses);
    for (const [event, changed] of [
      ['discovery.found', found],
      ['discovery.lost', lost],
    ] as const) {
      for (const address of changed) {
        const text = formatAddress(address);
        if (this.#own.has(text)) continue;
        this.#system.telemetry.emit(event, { count: 1 }, { topology, strategy, address: text });
      }
    }
    this.sweep();
  }

  /** A connection stands. */
  connected(peer: Peer): void {
    const { address } = peer.identity;
    if (address !== undefined) this.#answered(formatAddress(address), peer);
  }

  #answered(text: string, peer: Peer): void {
    this.#aliases.set(text, peer.identity);
    this.#reconnects.succeeded(text, this.#system.clock.now());
    this.#complained.delete(text);
    if (this.#told.has(peer)) return;
    for (const topology of this.#topologiesNaming(text)) {
      this.#told.add(peer);
      const { name: member } = peer.identity;
      this.#system.telemetry.emit('discovery.connected', { count: 1 }, { topology, address: text, member });
    }
  }

  #topologiesNaming(text: string): ReadonlySet<string> {
    return new Set(this.#sources.naming(text).map(({ topology }) => topology));
  }

  /** A connection is lost: its addresses may be redialled at once, the first time. */
  lost(peer: Peer): void {
    const { name, incarnation } = peer.identity;
    for (const [text, who] of this.#aliases) {
      if (who.name !== name || who.incarnation !== incarnation) continue;
      this.#reconnects.failed(text, this.#system.clock.now(), this.#system.random);
    }
  }

  /** Dials whatever should be connected, is not, and may be dialled now. */
  sweep(): void {
    if (this.#stopped) return;
    const now = this.#system.clock.now();
    let next = Number.POSITIVE_INFINITY;
    const members: Due[] = [];
    const strangers: Due[] = [];
    for (const [text, { address, isMember }] of this.#targets()) {
      if (this.#dialling.has(text)) continue;
      if (this.#reconnects.mayDial(text, now)) {
        (isMember ? members : strangers).push({ text, address, since: this.#reconnects.nextAt(text) ?? -1 });
      } else next = Math.min(next, this.#reconnects.nextAt(text) ?? now);
    }
    // Each dial that ends sweeps again, so who waits here waits for that; who has waited longest, or was never dialled, is next.
    const free = Math.max(0, MAX_DIALS - this.#dialling.size);
    if (strangers.length > free) strangers.sort((one, other) => one.since - other.since);
    const due = [...this.#inTurn(members), ...this.#inTurn(strangers.slice(0, free))];
    const crowd = due.length + this.#dialling.size;
    const begun = due.filter(({ text }) => this.#pace.begin(text, crowd, now));
    this.#waiting = due.length - begun.length;
    for (const { text, address } of begun) void this.#dial(text, address);
    if (this.#waiting > 0) next = Math.min(next, this.#pace.nextAt(now));
    this.#timer?.cancel();
    this.#timer =
      next === Number.POSITIVE_INFINITY
        ? undefined
        : this.#system.clock.setTimeout(() => this.sweep(), Math.max(1, next - now), { unref: true });
  }

  #targets(): Map<string, { readonly address: Address; readonly isMember: boolean }> {
    const targets = new Map<string, { readonly address: Address; readonly isMember: boolean }>();
    const known = new Set<string>();
    for (const { name, address } of this.#host.wanted()) {
      const text = formatAddress(address);
      known.add(text);
      if (!this.#host.connected(name)) targets.set(text, { address, isMember: true });
    }
    const hasMembers = known.size > 0;
    for (const [text, address] of this.#sources.all()) {
      known.add(text);
      const who = this.#aliases.get(text);
      if (this.#own.has(text) || (who !== undefined && this.#host.connected(who.name, who.incarnation))) continue;
      if (!targets.has(text)) targets.set(text, { address, isMember: false });
    }
    if (hasMembers) this.#forgetAllBut(known);
    return targets;
  }

  /** Nodes that restart at ever new addresses must not fill the memory. */
  #forgetAllBut(known: ReadonlySet<string>): void {
    for (const text of this.#aliases.keys()) if (!known.has(text)) this.#aliases.delete(text);
    for (const text of this.#complained.keys()) if (!known.has(text)) this.#complained.delete(text);
  }

  /** Two nodes that find each other at once do not both dial the other first, and not all dial the same one. */
  #inTurn(due: readonly Due[]): readonly Due[] {
    if (due.length < 2) return due;
    const [own] = this.#own;
    this.#start ??= own === undefined || WILDCARD.test(own) ? undefined : own;
    this.#start ??= due[Math.floor(this.#system.random.next() * due.length)]?.text ?? '';
    return inRing(due, this.#start);
  }

  /** Whether no dial is under way, or waits. */
  get idle(): boolean {
    return this.#dialling.size === 0 && this.#waiting === 0;
  }

  async #dial(text: string, address: Address): Promise<void> {
    this.#dialling.add(text);
    try {
      const to = await this.#permitted(text, address);
      if (this.#stopped) return;
      if (to === undefined) {
        this.#vetoed(text);
        return;
      }
      const peer = await this.#host.dial(to, {
        timeout: DIAL_TIMEOUT_MS,
        onConnected: () => this.#pace.answered(text),
      });
      this.#answered(text, peer);
    } catch (error) {
      this.#failed(text, error as Error);
    } finally {
      this.#dialling.delete(text);
      this.#pace.end(text);
      if (!this.#stopped) this.sweep();
      this.#host.dialled();
    }
  }

  /** Where to dial, by the first topology that names the address and lets it be dialled; undefined when none of them does. */
  async #permitted(text: string, address: Address): Promise<Address | undefined> {
    const naming = this.#sources.naming(text);
    if (naming.every(({ connect }) => connect === undefined)) return address;
    for (const source of naming) {
      const answer = await this.#ask(source, address);
      if (answer === false) continue;
      return answer === true ? address : answer;
    }
    return undefined;
  }

  /** @throws (rejects) FoundationError `timeout`, or what the hook throws */
  async #ask({ topology, connect }: DiscoverySource, address: Address): Promise<boolean | Address> {
    if (connect === undefined) return true;
    const { clock, node } = this.#system;
    let timer: Timer | undefined;
    const late = new Promise<never>((_, reject) => {
      const what = `The connect hook of topology '${topology}' did not answer for ${formatAddress(address)} within ${DIAL_TIMEOUT_MS} ms.`;
      timer = clock.setTimeout(() => reject(new FoundationError('timeout', what)), DIAL_TIMEOUT_MS, { unref: true });
    });
    try {
      return await Promise.race([connect(address, { topology, node }), late]);
    } finally {
      timer?.cancel();
    }
  }

  #vetoed(text: string): void {
    this.#reconnects.failed(text, this.#system.clock.now(), this.#system.random);
    this.#refused(text, 'vetoed');
    if (!this.#isNews(text, 'vetoed')) return;
    this.#system.log.info({ node: this.#system.node, address: text }, 'not dialled: a connect hook said no');
  }

  #refused(text: string, code: string): void {
    for (const topology of this.#topologiesNaming(text)) {
      this.#system.telemetry.emit('discovery.refused', { count: 1 }, { topology, address: text, code });
    }
  }

  #failed(text: string, error: Error): void {
    if (this.#stopped) return;
    this.#reconnects.failed(text, this.#system.clock.now(), this.#system.random);
    if (isFoundationError(error, 'conflict') && error.details?.self === true) {
      this.#own.add(text);
      return;
    }
    this.#refused(text, codeOf(error));
    // A refusal by a peer, unlike one by its address, shows that it lives.
    const byPeer = error instanceof FoundationError && error.details?.refusedByPeer === true;
    if (byPeer && isFoundationError(error, 'noproc')) {
      this.#host.goneFor(error);
      return;
    }
    if (!byPeer && isFoundationError(error, 'refused')) {
      for (const { name, address } of this.#host.wanted()) {
        if (formatAddress(address) === text) this.#host.refused(name);
      }
    }
    this.#complain(text, error);
  }

  /** One line an address and kind of failure, until it has worked again. */
  #complain(text: string, error: Error): void {
    const kind = codeOf(error);
    if (!this.#isNews(text, kind)) return;
    this.#system.telemetry.emit('cluster.dial-failed', { count: 1 }, { address: text, code: kind });
    const serious = kind === 'auth-failed' || kind === 'conflict' || kind === 'incompatible' || kind === 'protocol';
    // Of a member that was there the membership says what became of it.
    // Who invents addresses, which some strategies let anybody do, fills no log.
    const crowd = this.#complained.size - LOUD_DIAL_FAILURES;
    const quiet = kind === 'wrong-cluster' || this.#aliases.has(text);
    const level = crowd > 0 ? 'debug' : serious ? 'error' : quiet ? 'debug' : 'warn';
    const more = crowd === 0 ? 'Further addresses are told at level debug until some of these are gone.' : '';
    this.#system.log[level](
      { node: this.#system.node, address: text, code: kind },
      `${error.message} ${advice(kind)} ${more}`.trim(),
    );
  }

  /** Whether this was not what was said of the address last; it is from now on. */
  #isNews(text: string, kind: string): boolean {
    if (this.#complained.get(text) === kind) return false;
    if (!this.#complained.has(text) && this.#complained.size >= MAX_COMPLAINTS) {
      const oldest = this.#complained.keys().next().value;
      if (oldest !== undefined) this.#complained.delete(oldest);
    }
    this.#complained.set(text, kind);
    return true;
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }
}

/** An address that may be dialled now. */
interface Due {
  readonly text: string;
  readonly address: Address;
  readonly since: number;
}

/** An own address that says nothing of where others dial. */
const WILDCARD = /^[^:]+:\/\/(0\.0\.0\.0|\[?::\]?):\d+$/;

function codeOf(error: Error): string {
  return error instanceof FoundationError ? error.code : error.name;
}

function advice(kind: string): string {
  if (kind === 'refused') return 'Is the node there running, and on that port? It is tried again.';
  if (kind === 'timeout' || kind === 'noconnection') return 'It is tried again.';
  return '';
}
