import {
  type AnyDefinition,
  checkKeys,
  FoundationError,
  invalidOption,
  Pid,
  type Process,
  type Ref,
  type TargetResolver,
} from '@foundation-ts/core';
import { Hlc } from '@foundation-ts/crdt';
import { type Claim, type ClaimValue, type ConflictPolicy, claimValue, compareClaims, isClaimValue } from './claims.js';
import { ACK_TIMEOUT } from './defaults.js';
import type { DistributedSupervisor } from './distributed-supervisor.js';
import type { HostNode } from './host-node.js';
import { parseReplicaId, replicaId } from './internal/replica-id.js';
import { checkSendable } from './internal/sendable.js';
import { type NameChange, type NameEntry, RegistryIndex } from './registry-index.js';
import { RegistryMeta } from './registry-meta.js';
import { type Mutation, Replica } from './replica.js';

/** On how many other members a fact must live before a promise resolves; see {@link Registry.register}. */
export type Ack = 'local' | 'one' | 'quorum';

/** Options of {@link Registry.register}. */
export interface RegisterOptions {
  /** Something that others may want to know; plain, sendable data. */
  readonly value?: unknown;
  /** Default `'one'`. */
  readonly ack?: Ack;
  /** What happens when the name turns out to be another's after a heal: the actor exits (default), or only loses the name. */
  readonly onConflict?: ConflictPolicy;
  /** Milliseconds to wait for other members; default 5,000. */
  readonly timeout?: number;
}

/** Where a fact lives beside this node. */
export interface Acknowledgement {
  /** How many other members hold it; 0 when there is none. */
  readonly acked: number;
}

/** A name and its holder. */
export interface RegistryEntry {
  readonly name: string;
  readonly pid: Pid;
  readonly value: unknown;
  /** Counts the changes of the value. */
  readonly valueVersion: number;
  /** Hybrid logical time of the registration; a hand-off keeps it. */
  readonly registeredAt: number;
  /** How often the holder was handed over. */
  readonly moves: number;
}

/** For services that start actors under names: what they say of a claim beyond `register`'s options. */
export interface ClaimInit {
  readonly value?: unknown;
  readonly valueVersion?: number;
  readonly onConflict?: ConflictPolicy;
  /** Kept from the holder before, in a hand-off; default: now. */
  readonly registeredAt?: number;
  /** Default 0. */
  readonly moves?: number;
}

interface Holding {
  readonly process: Process;
  mark: number;
  moving: boolean;
}

/**
 * Names for actors, cluster-wide and always available. Reads are local; writes are visible here at once and on the others in the time that a
 * message takes. Two sides of a partition may give a name to two actors: on healing the same one wins on every node, the other is told.
 */
export class Registry implements AsyncDisposable {
  /** Small facts that belong to no actor: a replicated map, the last write wins. */
  readonly meta: RegistryMeta;
  readonly #node: HostNode;
  readonly #replica: Replica<ClaimValue>;
  readonly #self: string;
  readonly #index = new RegistryIndex();
  readonly #held = new Map<string, Holding>();
  /** Most actors have one name, which needs no set. */
  readonly #namesOf = new Map<number, string | Set<string>>();
  readonly #visible = new Map<string, boolean>();
  readonly #unsettled = new Set<string>();
  readonly #listeners = new Set<(change: NameChange) => void>();
  readonly #hlc = new Hlc();
  readonly #inView = (replica: string): boolean => this.#isVisible(replica);
  readonly #off: () => void;
  #clampReported = false;

  private constructor(node: HostNode, replica: Replica<ClaimValue>, meta: RegistryMeta) {
    this.#node = node;
    this.#replica = replica;
    this.meta = meta;
    this.#self = replicaId(node.name, node.incarnation);
    replica.onChange((keys, source) => {
      for (const key of keys) this.#changed(key, source === 'elsewhere');
    });
    this.#off = node.onMembership(event => this.#seen(event.member.name, event.member.incarnation, event.type));
    node.system.resolvers.set('via', name => this.#resolver(name));
    for (const [name] of [...replica.map.entries()]) this.#changed(name, true);
  }

  /** Starts a node's part of the registry; one a node. */
  static async start(node: HostNode): Promise<Registry> {
    const replica = await Replica.start<ClaimValue>(node, { name: 'registry', dropDead: true });
    return new Registry(node, replica, await RegistryMeta.start(node));
  }

  /** Resolves when the names of the members that were visible at the start are here. */
  get ready(): Promise<void> {
    return this.#replica.ready;
  }

  // --- registering ----------------------------------------------------------------------------------------------

  /**
   * Gives a local actor a name. Resolves when the name lives on as many other members as `ack` says: none (`'local'`), one, or a majority of
   * the known members, this one included (`'quorum'`). The name goes with the actor, or with its node. Doing it again is harmless.
   * @throws FoundationError at once: `invalid-option`, `invalid-operation` (the actor is another node's)
   * @throws (rejects) FoundationError `name-taken` (with `details.pid`), `noproc`, `not-sendable`, `noconnection` (no quorum in sight; nothing was
   *   changed), `unknown-outcome` (members were lost while waiting; the name is not taken back)
   */
  register(name: string, target: Ref | Pid, options: RegisterOptions = {}): Promise<Acknowledgement> {
    checkKeys('register()', options, ['value', 'ack', 'onConflict', 'timeout']);
    const { ack = 'one', onConflict = 'exit', value, timeout = ACK_TIMEOUT } = options;
    checkName(name);
    checkAck(ack);
    if (onConflict !== 'exit' && onConflict !== 'unname')
      throw invalidOption('onConflict', onConflict, "'exit', 'unname'");
    const pid = target instanceof Pid ? target : target.pid;
    if (!this.#node.system.isLocal(pid)) {
      throw new FoundationError(
        'invalid-operation',
        `register('${name}'): ${pid} lives on '${pid.node}'; a name is registered on the node of its actor.`,
      );
    }
    try {
      const process = this.#node.system.process(pid);
      if (process === undefined) {
        throw new FoundationError('noproc', `register('${name}'): no live actor is ${pid}.`);
      }
      const needed = this.needed(ack);
      const held = this.#held.get(name);
      const mark = held?.process === process ? held.mark : this.claim(name, process, { value, onConflict }).mark;
      return this.#acknowledged(name, process, mark, needed, timeout);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async #acknowledged(
    name: string,
    process: Process,
    mark: number,
    needed: number,
    timeout: number,
  ): Promise<Acknowledgement> {
    if (needed === 0) return { acked: 0 };
    const acked = await this.#replica.acked(needed, { mark, timeout });
    // Another who registered at the same moment, on another node, may have won meanwhile.
    const holder = this.#index.get(name);
    if (holder !== undefined && this.#held.get(name)?.process !== process) throw nameTaken(name, holder.pid);
    return { acked };
  }

  /**
   * For services: how many other members `ack` asks for now. A quorum counts all known members, reachable or not.
   * @throws FoundationError `noconnection` when there aren't as many in sight
   */
  needed(ack: Ack): number {
    if (ack === 'local') return 0;
    if (ack === 'one') return 1;
    const needed = Math.floor(this.#node.members().length / 2);
    if (this.#replica.peers().length < needed) {
      throw new FoundationError(
        'noconnection',
        `A quorum of ${this.#node.members().length} members needs ${needed} others, but ${this.#replica.peers().length} are in sight; nothing was changed.`,
      );
    }
    return needed;
  }

  /**
   * For services: claims a name for a local process at once, without waiting for others. A claim that would win against the holder in view (one
   * that was handed over) takes the name.
   * @throws FoundationError `name-taken`, `not-sendable`
   */
  claim(name: string, process: Process, init: ClaimInit = {}): Mutation {
    const { value, onConflict = 'exit', moves = 0, valueVersion = 0 } = init;
    if (value !== undefined) checkSendable(value, `The value of the name '${name}'`);
    if (!process.alive)
      throw new FoundationError('noproc', `The name '${name}' was not registered: ${process} is not alive.`);
    const registeredAt = init.registeredAt ?? this.#hlc.tick(this.#node.clock.wallTime());
    const claim = claimValue({ id: process.pid.id, registeredAt, moves, onConflict, valueVersion, value });
    const holder = this.#index.get(name);
    if (holder !== undefined && !holder.pid.equals(process.pid) && !this.#beats(claim, holder)) {
      throw nameTaken(name, holder.pid);
    }
    const before = this.#held.get(name);
    const holding: Holding = { process, mark: 0, moving: false };
    this.#held.set(name, holding);
    if (before !== undefined && before.process !== process) this.#forget(before.process, name);
    this.#watch(process, name);
    const mutation = this.#replica.mutate(map => map.add(name, claim));
    holding.mark = mutation.mark;
    return mutation;
  }

  #beats(claim: ClaimValue, holder: NameEntry): boolean {
    const mine: Claim = { replica: this.#self, counter: 0, value: claim };
    return compareClaims(mine, { replica: holder.owner, counter: 0, value: holder.claim }) < 0;
  }

  #watch(process: Process, name: string): void {
    const { id } = process.pid;
    const names = this.#namesOf.get(id);
    if (names === undefined) {
      this.#namesOf.set(id, name);
      this.#node.system.watch(process.pid, () => this.#ended(process));
    } else if (typeof names !== 'string') {
      names.add(name);
    } else if (names !== name) {
      this.#namesOf.set(id, new Set([names, name]));
    }
  }

  #ownNames(id: number): readonly string[] {
    const names = this.#namesOf.get(id);
    if (names === undefined) return [];
    return typeof names === 'string' ? [names] : [...names];
  }

  #ended(process: Process): void {
    const names = this.#ownNames(process.pid.id);
    this.#namesOf.delete(process.pid.id);
    for (const name of names) if (this.#held.get(name)?.process === process) this.#release(name);
  }

  #forget(process: Process, name: string): void {
    const names = this.#namesOf.get(process.pid.id);
    if (names === name) this.#namesOf.set(process.pid.id, new Set());
    else if (names instanceof Set) names.delete(name);
  }

  #release(name: string): void {
    const holding = this.#held.get(name);
    if (holding === undefined) return;
    this.#held.delete(name);
    this.#forget(holding.process, name);
    const own = this.#replica.map.get(name).filter(entry => entry.replica === this.#self);
    if (own.length > 0) this.#replica.mutate(map => map.remove(name, own));
  }

  /**
   * Takes the name from a local actor.
   * @returns whether a local actor held it
   */
  unregister(name: string): boolean {
    const held = this.#held.has(name);
    this.#release(name);
    return held;
  }

  /**
   * Changes the value of a name held by a local actor; ownership is not touched.
   * @returns the new value
   * @throws FoundationError `not-found`, `not-sendable`
   */
  updateValue(name: string, update: (value: unknown) => unknown): unknown {
    const holding = this.#held.get(name);
    const own = this.#replica.map.get(name).find(entry => entry.replica === this.#self);
    if (holding === undefined || own === undefined) {
      throw new FoundationError(
        'not-found',
        `updateValue('${name}'): no actor of '${this.#node.name}' holds that name; do it on the holder's node.`,
      );
    }
    const [id, registeredAt, moves, policy, valueVersion, value] = own.value;
    const next = update(value);
    checkSendable(next, `The value of the name '${name}'`);
    const onConflict = policy === 0 ? 'exit' : 'unname';
    const claim = claimValue({ id, registeredAt, moves, onConflict, valueVersion: valueVersion + 1, value: next });
    holding.mark = this.#replica.mutate(map => map.add(name, claim)).mark;
    return next;
  }

  // --- reading --------------------------------------------------------------------------------------------------

  /** Who holds the name, as seen from here now: a local read. The definition gives the ref its type. */
  whereis<D extends AnyDefinition>(_definition: D, name: string): Ref<D> | undefined {
    const entry = this.#index.get(name);
    if (entry === undefined) return undefined;
    if (entry.ref === undefined) entry.ref = this.#node.system.ref(entry.pid);
    return entry.ref as Ref<D>;
  }

  /** The holder of a name with its value. */
  lookup(name: string): RegistryEntry | undefined {
    const entry = this.#index.get(name);
    return entry === undefined ? undefined : toEntry(name, entry);
  }

  /** The names that an actor holds. Quick for local actors; a walk through all names for others. */
  keys(target: Ref | Pid): string[] {
    const pid = target instanceof Pid ? target : target.pid;
    if (this.#node.system.isLocal(pid)) {
      return this.#ownNames(pid.id).filter(name => this.#index.get(name)?.pid.equals(pid) === true);
    }
    return this.select(entry => entry.pid.equals(pid)).map(entry => entry.name);
  }

  /** The names in view for which `predicate` holds. */
  select(predicate: (entry: RegistryEntry) => boolean = () => true): RegistryEntry[] {
    const found: RegistryEntry[] = [];
    for (const [name, each] of this.#index.entries()) {
      const entry = toEntry(name, each);
      if (predicate(entry)) found.push(entry);
    }
    return found;
  }

  /** How many names are in view. */
  count(): number {
    return this.#index.size;
  }

  /** A ref that looks the name up at each send, and keeps doing so on whatever node it is sent to. */
  via<D extends AnyDefinition>(_definition: D, name: string): Ref<D> {
    checkName(name);
    return this.#node.system.refBy<D>(this.#resolver(name));
  }

  #resolver(name: string): TargetResolver {
    const { system } = this.#node;
    return {
      resolve: () => {
        const pid = this.#index.get(name)?.pid;
        return pid === undefined ? undefined : (system.process(pid) ?? pid);
      },
      portable: { scheme: 'via', name },
      toString: () => `via '${name}'`,
    };
  }

  /**
   * Resolves with the holder of a name as soon as it is in view.
   * @throws (rejects) FoundationError `timeout` (default after 5,000 ms), `aborted`
   */
  awaitVisible<D extends AnyDefinition = AnyDefinition>(
    name: string,
    options: { readonly timeout?: number; readonly signal?: AbortSignal } = {},
  ): Promise<Ref<D>> {
    const { timeout = ACK_TIMEOUT, signal } = options;
    return new Promise((resolve, reject) => {
      const found = this.#index.get(name);
      if (found !== undefined) {
        resolve(this.#node.system.ref<D>(found.pid));
        return;
      }
      const end = (): void => {
        off();
        timer?.cancel();
        signal?.removeEventListener('abort', aborted);
      };
      const aborted = (): void => {
        end();
        reject(
          new FoundationError('aborted', `Waiting for the name '${name}' was aborted.`, { cause: signal?.reason }),
        );
      };
      const off = this.onChange(change => {
        if (change.name !== name || change.after === undefined) return;
        end();
        resolve(this.#node.system.ref<D>(change.after));
      });
      const timer =
        timeout === Number.POSITIVE_INFINITY
          ? undefined
          : this.#node.clock.setTimeout(() => {
              end();
              reject(new FoundationError('timeout', `Nobody has registered the name '${name}' within ${timeout} ms.`));
            }, timeout);
      if (signal?.aborted === true) aborted();
      else signal?.addEventListener('abort', aborted, { once: true });
    });
  }

  /** Calls `listener` whenever a name gets another holder, or none, until the result is called. Synchronous: keep it short. What it throws is logged. */
  onChange(listener: (change: NameChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  // --- for services ---------------------------------------------------------------------------------------------

  /** The distributed supervisors that were stopped on this node, by name: what comes under that name goes on with what they know. */
  readonly retired: Map<string, DistributedSupervisor> = new Map();

  /** While an actor is handed over, losing its name to the next holder is no conflict. */
  setMoving(name: string, moving: boolean): void {
    const holding = this.#held.get(name);
    if (holding === undefined) return;
    holding.moving = moving;
    if (!moving) this.#changed(name, false);
  }

  /** Who holds a name, without a copy. */
  holder(name: string): NameEntry | undefined {
    return this.#index.get(name);
  }

  /** The claim of a local actor to a name, whether it wins or not. */
  ownClaim(name: string): ClaimValue | undefined {
    return this.#replica.map.get(name).find(entry => entry.replica === this.#self)?.value;
  }

  /** Resolves when both hold the same claims, or the member was lost. */
  compareWith(member: string): Promise<void> {
    return this.#replica.compareWith(member);
  }

  /** Takes in claims that came along with an answer. @see Replica.join */
  join(plain: unknown): void {
    this.#replica.join(plain);
  }

  /** {@link join}s claims and tells the others of them together with this node's next changes. */
  joinAndPass(plain: unknown): void {
    this.#replica.joinAndPass(plain);
  }

  // --- changes --------------------------------------------------------------------------------------------------

  #changed(name: string, elsewhere: boolean): void {
    const claims = this.#replica.map.get(name);
    if (elsewhere) for (const claim of claims) this.#heardTime(claim);
    const change = this.#index.update(name, claims, this.#inView);
    this.#settle(name);
    if (change === undefined) return;
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        this.#node.log.error({ name, error: error as Error }, "a listener of the registry's changes failed");
      }
    }
  }

  #heardTime(claim: Claim): void {
    if (claim.replica === this.#self || !isClaimValue(claim.value)) return;
    const clampedBy = this.#hlc.receive(claim.value[1], this.#node.clock.wallTime());
    if (clampedBy === 0 || this.#clampReported) return;
    this.#clampReported = true;
    this.#node.log.warn(
      { owner: claim.replica, aheadBy: clampedBy },
      "a member's clock is far ahead; set the machines' clocks",
    );
  }

  /** A local actor whose claim loses against one in view is told. */
  #settle(name: string): void {
    const holding = this.#held.get(name);
    const winner = this.#index.get(name);
    if (holding === undefined || holding.moving || winner === undefined || winner.owner === this.#self) return;
    if (this.#unsettled.has(winner.owner)) return;
    const policy = this.ownClaim(name)?.[3] ?? 0;
    this.#release(name);
    const { process } = holding;
    this.#node.log.info(
      { name, loser: process.pid.toString(), winner: winner.pid.toString() },
      `the name '${name}' was held twice; the actor here ${policy === 0 ? 'exits' : 'loses the name'}`,
    );
    this.#node.telemetry.emit(
      'registry.conflict',
      { count: 1 },
      { name, loser: process.pid.toString(), winner: winner.pid.toString() },
    );
    if (policy === 0) process.stop({ shutdown: { nameConflict: winner.pid } });
  }

  #isVisible(replica: string): boolean {
    if (replica === this.#self) return true;
    const known = this.#visible.get(replica);
    if (known !== undefined) return known;
    const owner = parseReplicaId(replica);
    const visible = owner !== undefined && this.#node.isVisible(owner.node, owner.incarnation);
    this.#visible.set(replica, visible);
    // A claim of an incarnation whose node has long come back as another, brought by one who was away: it goes.
    if (owner !== undefined && (this.#node.member(owner.node)?.incarnation ?? 0) > owner.incarnation) {
      queueMicrotask(() => this.#replica.drop(replica));
    }
    return visible;
  }

  #seen(node: string, incarnation: number, event: string): void {
    const replica = replicaId(node, incarnation);
    if (replica === this.#self) return;
    const before = this.#visible.get(replica);
    if (event === 'up' || event === 'reachable') this.#unsettledUntilCompared(node, replica);
    if (event === 'down' || event === 'left') this.#visible.delete(replica);
    else this.#visible.set(replica, this.#node.isVisible(node, incarnation));
    const unchanged = before === this.#isVisible(replica);
    if (event === 'down' || event === 'left') this.#visible.delete(replica);
    if (unchanged) return;
    const names: string[] = [];
    for (const [name, claims] of this.#replica.map.entries()) {
      if (claims.some(claim => claim.replica === replica)) names.push(name);
    }
    for (const name of names) this.#changed(name, true);
  }

  /** What a member that comes into view claims may be outdated: nobody is told that he has lost to it before both have compared. */
  #unsettledUntilCompared(node: string, replica: string): void {
    this.#unsettled.add(replica);
    void this.#replica.compareWith(node).then(() => {
      this.#unsettled.delete(replica);
      for (const name of [...this.#held.keys()]) this.#settle(name);
    });
  }

  /** A one-line account of what is known of a name, for people. */
  explain(name: string): string {
    const claims = this.#replica.map.get(name).map(claim => {
      const state = this.#isVisible(claim.replica) ? 'in view' : 'hidden';
      return `${claim.value[0]}@${claim.replica} (moves ${claim.value[2]}, registered at ${claim.value[1]}, ${state})`;
    });
    return `'${name}': ${claims.length === 0 ? 'no claims' : claims.join('; ')}`;
  }

  /** Ends this node's part: its names go. */
  async stop(): Promise<void> {
    for (const name of [...this.#held.keys()]) this.#release(name);
    this.#off();
    await this.#replica.stop();
    await this.meta.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

function toEntry(name: string, entry: NameEntry): RegistryEntry {
  const [, registeredAt, moves, , valueVersion, value] = entry.claim;
  return { name, pid: entry.pid, value, valueVersion, registeredAt, moves };
}

function nameTaken(name: string, pid: Pid): FoundationError {
  return new FoundationError(
    'name-taken',
    `The name '${name}' belongs to ${pid}; choose another, or stop that actor.`,
    { details: { name, pid } },
  );
}

function checkName(name: unknown): void {
  if (typeof name !== 'string' || name.length === 0) throw invalidOption('name', name, 'a non-empty string');
}

/** @throws FoundationError `invalid-option` */
export function checkAck(ack: unknown): void {
  if (ack !== 'local' && ack !== 'one' && ack !== 'quorum') throw invalidOption('ack', ack, "'local', 'one', 'quorum'");
}
