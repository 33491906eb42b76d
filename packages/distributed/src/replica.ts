import type { PermittedAction } from '@foundation-ts/cluster';
import {
  type AnyDefinition,
  actor,
  type CallOptions,
  FoundationError,
  failing,
  isFoundationError,
  type Ref,
  type Timer,
} from '@foundation-ts/core';
import {
  AwMap,
  deltaFromPlain,
  deltaToPlain,
  isEmptyDelta,
  joinDeltas,
  type MapDelta,
  type MapDeltaPlain,
} from '@foundation-ts/crdt';
import {
  ACK_TIMEOUT,
  ANTI_ENTROPY_INTERVAL,
  EXCHANGE_RETRY,
  EXCHANGE_TIMEOUT,
  FLUSH_AFTER,
  FORGET_GONE_AFTER,
  LOSS_EXCHANGES,
  READY_TIMEOUT,
} from './defaults.js';
import type { HostNode } from './host-node.js';
import { AckWaiters } from './internal/ack-waiters.js';
import { answerBuckets, answerLeaves, answerRoot, type ExchangeCalls, pullFrom } from './internal/exchange.js';
import { PeerLink } from './internal/peer-link.js';
import { replicaId } from './internal/replica-id.js';

/** How a {@link Replica} is made. */
export interface ReplicaInit {
  /** The same on all nodes that share it; its actor is `$replica:<name>`. */
  readonly name: string;
  /**
   * Whether everything that an incarnation wrote goes when it is `down` or `left`: right for facts that die with their node,
   * wrong for shared ones. Default false.
   */
  readonly dropDead?: boolean;
  /** What other nodes need to be permitted to read it, and to write to it; default `message` and `register`. */
  readonly needs?: { readonly read: PermittedAction; readonly write: PermittedAction };
  /** Milliseconds between two rounds of anti-entropy, ± 20 %; default 10,000. */
  readonly antiEntropyInterval?: number;
}

/** A mutation that was made here. */
export interface Mutation {
  /** Its number; see {@link Replica.acked}. */
  readonly mark: number;
  /** What it did, for those who send it along with an answer. */
  readonly delta: MapDelta<unknown>;
}

/** What {@link Replica.acked} waits for. */
export interface AckedOptions {
  /** The mutation in question; default: everything that was mutated here so far. */
  readonly mark?: number;
  /** A member that doesn't count. */
  readonly except?: string | undefined;
  /** Milliseconds; default 5,000. */
  readonly timeout?: number;
}

/** Told which keys changed: by a mutation here, or by something that came from elsewhere. */
export type ReplicaListener = (keys: readonly string[], source: 'here' | 'elsewhere') => void;

type Ears = {
  delta: (s: object, m: unknown) => void;
  ack: (s: object, m: unknown) => void;
  complete: (s: object, m: unknown) => void;
};
type ReplicaActor = AnyDefinition & {
  readonly '~types'?: { readonly argument: unknown; readonly calls: ExchangeCalls; readonly casts: Ears };
};

/**
 * One node's copy of a replicated add-wins map. A mutation is visible here at once and pushed to all visible members in the same turn; what
 * was missed (a member was away, a message was lost) is found by comparing digests, and only the buckets that differ are sent, in small
 * chunks. After "Delta State Replicated Data Types" (Almeida, Shoker, Baquero 2018).
 */
export class Replica<V> implements AsyncDisposable {
  readonly name: string;
  /** The state; read it, but change it through {@link mutate} only. */
  readonly map: AwMap<V>;
  readonly #node: HostNode;
  readonly #actorName: string;
  readonly #dropDead: boolean;
  readonly #needs: { readonly read: PermittedAction; readonly write: PermittedAction };
  readonly #interval: number;
  readonly #peers = new Map<string, PeerLink>();
  readonly #refs = new Map<string, Ref<ReplicaActor>>();
  readonly #listeners = new Set<ReplicaListener>();
  readonly #waiters: AckWaiters;
  readonly #acksDue = new Set<PeerLink>();
  readonly #exchanges = new Map<string, { again: boolean; promise: Promise<void> }>();
  readonly #endTurn = (): void => this.#turnEnded();
  #bulk: Promise<void> = Promise.resolve();
  #pending: MapDelta<V>[] = [];
  #mark = 0;
  #flushed = 0;
  #armed = false;
  #ackArmed = false;
  #timer: Timer | undefined = undefined;
  #off: (() => void) | undefined = undefined;
  #warned = false;
  #stopped = false;
  #ready: Promise<void> = Promise.resolve();

  private constructor(node: HostNode, init: ReplicaInit) {
    this.name = init.name;
    this.#node = node;
    this.#actorName = `$replica:${init.name}`;
    this.#dropDead = init.dropDead ?? false;
    this.#needs = init.needs ?? { read: 'message', write: 'register' };
    this.#interval = init.antiEntropyInterval ?? ANTI_ENTROPY_INTERVAL;
    this.map = new AwMap<V>({ replica: replicaId(node.name, node.incarnation) });
    this.#waiters = new AckWaiters(node.clock, `Replica '${init.name}'`, () => this.#peers.values());
  }

  /** Resolves when the first exchange with each member that was visible at the start is over. */
  get ready(): Promise<void> {
    return this.#ready;
  }

  /** Starts the replica's actor on the node and begins to compare with the members that are visible. */
  static async start<V>(node: HostNode, init: ReplicaInit): Promise<Replica<V>> {
    const replica = new Replica<V>(node, init);
    replica.#watchMembers();
    const { read, write } = replica.#needs;
    const access = (op: string, payload: unknown, member: string): PermittedAction =>
      op === 'delta' || speaksForAnother(payload, member) ? write : read;
    await node.startSystemActor(replica.#definition()(), replica.#actorName, access);
    replica.#begin();
    return replica;
  }

  #watchMembers(): void {
    this.#off = this.#node.onMembership(event => {
      const { name, incarnation } = event.member;
      if (name === this.#node.name) return;
      if (event.type === 'up' || event.type === 'reachable') this.#appeared(name, incarnation);
      else if (event.type !== 'leaving') this.#lost(name, incarnation, event.type !== 'unreachable');
    });
  }

  #begin(): void {
    this.#armTimer();
    this.#ready = new Promise(resolve => {
      const timer = this.#node.clock.setTimeout(resolve, READY_TIMEOUT, { unref: true });
      void Promise.all([...this.#exchanges.values()].map(exchange => exchange.promise)).then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  /**
   * Goes on after {@link stop} with what it held: a replica that began anew would number its writes from 1 again, and the others would take
   * them for those that they know.
   */
  resume(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#peers.clear();
    this.#watchMembers();
    this.#greetAll();
    this.#begin();
  }

  #greetAll(): void {
    for (const { name, incarnation } of this.#node.members()) {
      if (name !== this.#node.name && this.#node.isVisible(name, incarnation)) this.#appeared(name, incarnation);
    }
  }

  #definition() {
    return actor({
      name: 'replica',
      localOnly: true,
      init: () => {
        if (!this.#stopped) this.#greetAll();
        return {};
      },
      calls: {
        root: (_: object, message: unknown) => failing(() => this.#answerRoot(message)),
        leaves: (_: object, message: unknown) => failing(() => answerLeaves(this.map, message)),
        buckets: (_: object, message: unknown) => failing(() => answerBuckets(this.map, message)),
      },
      casts: {
        delta: (_: object, message: unknown) => this.#guarded(() => this.#receivePush(message)),
        ack: (_: object, message: unknown) => this.#guarded(() => this.#receiveAck(message)),
        complete: (_: object, message: unknown) => this.#guarded(() => this.#receiveComplete(message)),
      },
    });
  }

  // --- mutations ------------------------------------------------------------------------------------------------

  /** Changes the map and pushes the change. `change` is one of the map's mutators. */
  mutate(change: (map: AwMap<V>) => MapDelta<V>): Mutation {
    const delta = change(this.map);
    if (isEmptyDelta(delta)) return { mark: this.#mark, delta };
    this.#mark++;
    this.#pending.push(delta);
    this.#arm();
    if (this.#listeners.size > 0) {
      this.#tell(
        delta.changes.map(each => each.key),
        'here',
      );
    }
    return { mark: this.#mark, delta };
  }

  /** Joins a delta that came another way than from its writer's replica, such as with an answer. */
  join(plain: unknown): void {
    this.#join(deltaFromPlain<V>(plain));
  }

  /** {@link join}s a delta and pushes it with this node's own changes: for what explains them to others. */
  joinAndPass(plain: unknown): void {
    const delta = deltaFromPlain<V>(plain);
    if (isEmptyDelta(delta) || !this.#join(delta)) return;
    this.#mark++;
    this.#pending.push(delta);
    this.#arm();
  }

  /** Pushes what was changed in this turn now, so that it arrives before what is asked of the others next. */
  pushNow(): void {
    this.#flush();
  }

  /** The sendable form of mutations, for {@link join} on another node. */
  static pack(mutations: readonly Mutation[]): MapDeltaPlain {
    return deltaToPlain(joinDeltas(mutations.map(mutation => mutation.delta)));
  }

  /** Takes everything out that an incarnation wrote. */
  drop(replica: string): void {
    const { changed } = this.map.dropReplica(replica, this.#node.clock.wallTime());
    if (changed.length > 0) this.#tell(changed, 'elsewhere');
  }

  /** Calls `listener` after each change until the result is called. */
  onChange(listener: ReplicaListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Resolves when `count` other members hold a mutation, with how many do; with 0 at once when there are no others.
   * @throws (rejects) FoundationError `unknown-outcome` when members are lost meanwhile, or time runs out
   */
  acked(count: number, options: AckedOptions = {}): Promise<number> {
    if (count <= 0) return Promise.resolve(0);
    const acked = this.#waiters.wait({
      mark: options.mark ?? this.#mark,
      count,
      except: options.except,
      all: options.mark === undefined,
      timeout: options.timeout ?? ACK_TIMEOUT,
    });
    if (this.#waiters.size > 0 && this.#mark === this.#flushed) this.#askForAcks();
    return acked;
  }

  /** What somebody waits for was pushed before he did. */
  #askForAcks(): void {
    for (const peer of this.#peers.values()) {
      if (peer.active && !peer.absent) this.#push(peer, this.#flushed, deltaToPlain({ changes: [] }), true);
    }
  }

  /** The other members to which mutations are pushed now. */
  peers(): string[] {
    return [...this.#peers.values()].filter(peer => peer.active && !peer.absent).map(peer => peer.name);
  }

  /** Compares with a member now; resolves when both hold the same, or the member was lost. For those who can't wait for the next round. */
  compareWith(member: string): Promise<void> {
    const peer = this.#peers.get(member);
    return peer?.active === true ? this.#exchange(peer) : Promise.resolve();
  }

  #tell(keys: readonly string[], source: 'here' | 'elsewhere'): void {
    for (const listener of this.#listeners) listener(keys, source);
  }

  // --- pushing --------------------------------------------------------------------------------------------------

  /** What is mutated in one turn of the event loop goes in one push at its end, or earlier when it is much. */
  #arm(): void {
    if (this.#pending.length >= FLUSH_AFTER) this.#flush();
    if (this.#armed) return;
    this.#armed = true;
    setImmediate(this.#endTurn);
  }

  #turnEnded(): void {
    this.#armed = false;
    this.#flush();
  }

  #flush(): void {
    if (this.#flushed === this.#mark || this.#stopped) return;
    const deltas = this.#pending;
    const asked = this.#waiters.size > 0;
    const previous = this.#flushed;
    this.#pending = [];
    this.#flushed = this.#mark;
    let plain: MapDeltaPlain | undefined;
    for (const peer of this.#peers.values()) {
      if (!peer.active || peer.absent) continue;
      plain ??= deltaToPlain(joinDeltas(deltas));
      try {
        this.#push(peer, previous, plain, asked);
      } catch (error) {
        this.#node.log.error(
          { replica: this.name, member: peer.name, error: error as Error },
          'a change could not be pushed',
        );
      }
    }
  }

  /** Pushes are acknowledged only when somebody waits for it. */
  #push(peer: PeerLink, previous: number, plain: MapDeltaPlain, ackWanted: boolean): void {
    const [from, incarnation, to] = this.#envelope(peer);
    const message: unknown[] = [from, incarnation, to, previous, this.#flushed, plain];
    if (ackWanted) message.push(true);
    this.#ref(peer).cast('delta', message);
  }

  #envelope(peer: PeerLink): [from: string, incarnation: number, to: number] {
    return [this.#node.name, this.#node.incarnation, peer.incarnation];
  }

  #ref(peer: PeerLink): Ref<ReplicaActor> {
    let ref = this.#refs.get(peer.name);
    if (ref === undefined) {
      const options: CallOptions = { channel: 'gossip', partition: this.#actorName, timeout: EXCHANGE_TIMEOUT };
      ref = this.#node.system.refOn<ReplicaActor>(peer.name, this.#actorName, options);
      this.#refs.set(peer.name, ref);
    }
    return ref;
  }

  /** The link with the sender of a message; undefined when it is for, or from, another life. */
  #sender(message: unknown): { readonly peer: PeerLink; readonly rest: readonly unknown[] } | undefined {
    if (!Array.isArray(message)) throw new TypeError('not an array');
    const [name, incarnation, to, ...rest] = message as unknown[];
    if (typeof name !== 'string' || typeof incarnation !== 'number') throw new TypeError('no sender');
    if (to !== this.#node.incarnation || this.#stopped) return undefined;
    const peer = this.#peer(name, incarnation);
    if (peer === undefined) return undefined;
    peer.absent = false;
    return { peer, rest };
  }

  #peer(name: string, incarnation: number): PeerLink | undefined {
    const known = this.#peers.get(name);
    if (known !== undefined && known.incarnation >= incarnation) {
      return known.incarnation === incarnation ? known : undefined;
    }
    // Whoever names itself so is no member: nothing is kept for it, and the link with who is one stays.
    if (this.#node.member(name)?.incarnation !== incarnation) return undefined;
    const peer = new PeerLink(name, incarnation);
    this.#peers.set(name, peer);
    return peer;
  }

  #receivePush(message: unknown): void {
    const sender = this.#sender(message);
    if (sender === undefined) return;
    const [previous, mark, plain, ackWanted] = sender.rest as [number, number, unknown, boolean | undefined];
    if (!this.#join(deltaFromPlain<V>(plain))) return;
    if (!sender.peer.receivedPush(previous, mark)) void this.#exchange(sender.peer);
    if (ackWanted !== true) return;
    this.#acksDue.add(sender.peer);
    if (this.#ackArmed) return;
    this.#ackArmed = true;
    queueMicrotask(() => this.#sendAcks());
  }

  #sendAcks(): void {
    this.#ackArmed = false;
    for (const peer of this.#acksDue) this.#ref(peer).cast('ack', [...this.#envelope(peer), ...peer.got]);
    this.#acksDue.clear();
  }

  #receiveAck(message: unknown): void {
    const sender = this.#sender(message);
    if (sender === undefined) return;
    const [from, to] = sender.rest as [number, number];
    sender.peer.heardAck(from, to);
    this.#waiters.heard();
  }

  #receiveComplete(message: unknown): void {
    const sender = this.#sender(message);
    if (sender === undefined) return;
    sender.peer.heardComplete(sender.rest[0] as number);
    this.#waiters.heard();
  }

  /** False when it was refused: it holds writes of this very incarnation that this incarnation never made. */
  #join(delta: MapDelta<V>): boolean {
    if (this.map.hasUnseenDotsOf(delta)) {
      this.#warnForeign();
      return false;
    }
    const gone = delta.gone?.filter(({ replica }) => replica !== this.map.replica);
    const changed = this.map.join(gone === undefined ? delta : { changes: delta.changes, gone });
    if (changed.length > 0) this.#tell(changed, 'elsewhere');
    return true;
  }

  #warnForeign(): void {
    if (this.#warned) return;
    this.#warned = true;
    this.#node.log.error(
      { replica: this.name, incarnation: this.map.replica },
      'a member sent writes of this incarnation that it never made; they are refused: does another node run under the same name and incarnation?',
    );
  }

  #guarded(receive: () => void): void {
    try {
      receive();
    } catch (error) {
      this.#node.log.warn(
        { replica: this.name, error: error as Error },
        'a malformed message of another replica was ignored',
      );
    }
  }

  // --- members --------------------------------------------------------------------------------------------------

  #appeared(name: string, incarnation: number): void {
    const peer = this.#peer(name, incarnation);
    if (peer === undefined) return;
    peer.active = true;
    // Who may not write may still read: then it asks.
    peer.absent = !this.#node.permits(name, this.#needs.write);
    void this.#exchange(peer);
  }

  #lost(name: string, incarnation: number, forGood: boolean): void {
    const peer = this.#peers.get(name);
    if (peer?.incarnation === incarnation) {
      const wasActive = peer.active;
      peer.active = false;
      if (forGood) this.#peers.delete(name);
      this.#waiters.lost();
      if (wasActive) this.#compareAfterLoss(name);
    }
    if (forGood && this.#dropDead) this.drop(replicaId(name, incarnation));
  }

  /** What the lost member told only some of the others must get around now. */
  #compareAfterLoss(lost: string): void {
    const others = [...this.#peers.values()].filter(peer => peer.active && !peer.absent && peer.name !== lost);
    for (let left = LOSS_EXCHANGES; left > 0 && others.length > 0; left--) {
      const [peer] = others.splice(Math.floor(this.#node.random.next() * others.length), 1);
      if (peer !== undefined) void this.#exchange(peer);
    }
  }

  // --- anti-entropy ---------------------------------------------------------------------------------------------

  #armTimer(): void {
    const wait = this.#interval * (0.8 + 0.4 * this.#node.random.next());
    this.#timer = this.#node.clock.setTimeout(() => this.#round(), wait, { unref: true });
  }

  #round(): void {
    const peers = [...this.#peers.values()].filter(peer => peer.active);
    const peer = peers[Math.floor(this.#node.random.next() * peers.length)];
    if (peer !== undefined) void this.#exchange(peer);
    this.map.forgetGone(this.#node.clock.wallTime() - FORGET_GONE_AFTER);
    this.#armTimer();
  }

  /** Brings what the peer has and this replica has not. One exchange per peer at a time; asking again meanwhile repeats it. */
  #exchange(peer: PeerLink): Promise<void> {
    if (!this.#node.permits(peer.name, this.#needs.write)) return Promise.resolve();
    const running = this.#exchanges.get(peer.name);
    if (running !== undefined) {
      running.again = true;
      return running.promise;
    }
    const exchange = { again: false, promise: Promise.resolve() };
    this.#exchanges.set(peer.name, exchange);
    exchange.promise = this.#repeat(peer, exchange).finally(() => this.#exchanges.delete(peer.name));
    return exchange.promise;
  }

  async #repeat(first: PeerLink, exchange: { again: boolean }): Promise<void> {
    await Promise.resolve();
    let peer = first;
    while (peer.active && !this.#stopped) {
      exchange.again = false;
      try {
        await this.#pull(peer);
      } catch (error) {
        await this.#exchangeFailed(peer, exchange, error as Error);
      }
      const now = this.#peers.get(first.name);
      if (now === undefined || (now === peer && !exchange.again)) return;
      peer = now;
    }
  }

  async #exchangeFailed(peer: PeerLink, exchange: { again: boolean }, error: Error): Promise<void> {
    if (isFoundationError(error, 'noproc', 'not-permitted')) {
      peer.absent = true;
      this.#waiters.heard();
    } else if (isFoundationError(error)) {
      await new Promise<void>(resolve => this.#node.clock.setTimeout(resolve, EXCHANGE_RETRY, { unref: true }));
      exchange.again = true;
    } else {
      this.#node.log.warn({ replica: this.name, member: peer.name, error }, 'an exchange with another replica failed');
    }
  }

  async #pull(peer: PeerLink): Promise<void> {
    const me = [this.#node.name, this.#node.incarnation] as const;
    const mark = await pullFrom(this.map, this.#ref(peer), me, {
      joined: (partial, keys) => {
        if (keys.length > 0) this.#tell(keys, 'elsewhere');
        this.#node.telemetry.emit(
          'replica.repair',
          { buckets: partial.buckets.length, keys: keys.length },
          { replica: this.name },
        );
      },
      foreign: () => this.#warnForeign(),
      bulk: work => this.#oneAtATime(work),
      expected: peer.incarnation,
    });
    if (mark === undefined || !peer.active) return;
    peer.completed(mark);
    this.#ref(peer).cast('complete', [...this.#envelope(peer), mark]);
  }

  /** Whole buckets come from one member at a time: from the next one only what that one didn't have. */
  #oneAtATime<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#bulk.then(work);
    this.#bulk = result.then(
      () => {},
      () => {},
    );
    return result;
  }

  #answerRoot(message: unknown): readonly unknown[] {
    if (this.#stopped)
      throw new FoundationError('noproc', `Replica '${this.name}' was stopped on '${this.#node.name}'.`);
    const { from, incarnation, answer, equal } = answerRoot(this.map, message);
    const peer = this.#peer(from, incarnation);
    if (peer !== undefined) {
      const wasAbsent = peer.absent;
      peer.absent = false;
      if (peer.active && (!equal || wasAbsent)) void this.#exchange(peer);
    }
    return [this.#node.incarnation, this.#mark, ...answer];
  }

  /** Stops taking part, until {@link resume}. The node's other replicas go on. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#flush();
    this.#stopped = true;
    this.#off?.();
    this.#timer?.cancel();
    this.#listeners.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** Whether a message begins with the name of another member than the one that sent it: what that one holds, it says itself. */
function speaksForAnother(message: unknown, member: string): boolean {
  return Array.isArray(message) && typeof message[0] === 'string' && message[0] !== member;
}
