import { ActorContext } from './context.js';
import { checkKeys, FoundationError, invalidOption } from './errors.js';
import { Pid } from './pid.js';
import type { Process } from './process.js';
import { type Registration, RegistryEntry } from './registration.js';
import type { ActorSystem } from './system.js';
import type { AnyDefinition, Ref } from './types.js';

/** How a {@link localRegistry} is made. */
export interface LocalRegistryInit<Keys extends 'unique' | 'duplicate' = 'unique' | 'duplicate'> {
  /** Whether a key has one actor at most, or any number. */
  readonly keys: Keys;
  /** For messages of errors and the text of refs; default `'registry'`. */
  readonly name?: string;
}

/** Whose registration it is: a ref on an actor of this node, its pid, or, in a handler, its context. */
export type RegistryOwner = Pid | { readonly pid: Pid };

/** What the listener of a registry is told. */
export interface RegistryEvent<K, V, D extends AnyDefinition> {
  readonly type: 'register' | 'unregister';
  readonly registration: Registration<K, V, D>;
}

/** The value of a registration, which may be left out when there is none. */
export type ValueArgs<V> = [V] extends [undefined] ? [value?: V] : [value: V];

/**
 * What unique and duplicate registries share. Keys are compared as those of a `Map`. A registration ends with its actor, before
 * anyone hears of the end. Everything is synchronous and local to one node.
 */
export abstract class LocalRegistry<K, V, D extends AnyDefinition> {
  readonly name: string;
  /** Anything that goes with the registry, for whoever has it. */
  readonly meta: Map<unknown, unknown> = new Map();
  protected readonly system: ActorSystem;
  readonly #listeners = new Set<(event: RegistryEvent<K, V, D>) => void>();
  #order = 0;
  #count = 0;

  constructor(system: ActorSystem, name: string) {
    this.system = system;
    this.name = name;
  }

  /** How many registrations there are. */
  get count(): number {
    return this.#count;
  }

  /**
   * Registers an actor of this node under `key`.
   * @throws FoundationError `noproc` when the actor has ended or lives elsewhere; `name-taken`, when keys are unique and this one
   *   is taken, be it by the same actor
   */
  register(owner: RegistryOwner, key: K, ...[value]: ValueArgs<V>): Registration<K, V, D> {
    const process = this.#processOf(owner, key);
    const entry = new RegistryEntry<K, V, D>(this, process, key, value as V, this.#order++);
    this.put(entry);
    entry.hold();
    this.#count++;
    if (this.#listeners.size > 0) this.#tell('register', entry);
    return entry;
  }

  /**
   * Ends what this actor holds under `key`; of several, with `which`, those whose value passes.
   * @returns how many there were
   */
  unregister(owner: RegistryOwner, key: K, which: (value: V) => boolean = () => true): number {
    const pid = pidOf(owner);
    const ending = [...this.under(key)].filter(entry => entry.pid.equals(pid) && which(entry.value));
    for (const entry of ending) {
      entry.letGo();
      this.release(entry as unknown as RegistryEntry);
    }
    return ending.length;
  }

  /** The keys that an actor holds, in the order in which it registered; a key held twice comes twice. */
  keys(owner: RegistryOwner): K[] {
    const process = this.system.process(pidOf(owner));
    const keys: K[] = [];
    for (let entry = process?.registrations; entry !== undefined; entry = entry.next) {
      if ((entry.registry as unknown) === this) keys.push(entry.key as K);
    }
    return keys.reverse();
  }

  /** The values with which an actor holds `key`. */
  values(owner: RegistryOwner, key: K): V[] {
    const pid = pidOf(owner);
    return [...this.under(key)].filter(entry => entry.pid.equals(pid)).map(entry => entry.value);
  }

  /** Those under `key` whose value passes. */
  match(key: K, predicate: (value: V) => boolean): Registration<K, V, D>[] {
    return [...this.under(key)].filter(entry => predicate(entry.value));
  }

  /** Those that pass, of all; without a predicate all. Looks at each. */
  select(predicate: (registration: Registration<K, V, D>) => boolean = () => true): Registration<K, V, D>[] {
    return [...this.all()].filter(predicate);
  }

  /**
   * Calls `visit` for each registration under `key` that there is now; what it throws ends the round and reaches the caller.
   * @returns how many there were
   */
  dispatch(key: K, visit: (ref: Ref<D>, value: V) => void): number {
    const until = this.#order;
    let visited = 0;
    for (const entry of this.under(key)) {
      if (entry.order >= until) continue;
      visited++;
      visit(entry.ref, entry.value);
    }
    return visited;
  }

  /**
   * Calls `listener` right after each registration and each end of one, until the result is called. An actor's end is told here
   * before it is told to those who monitor it. What a listener throws is logged.
   */
  subscribe(listener: (event: RegistryEvent<K, V, D>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** For the runtime: an entry that its actor no longer holds. */
  release(entry: RegistryEntry): void {
    const own = entry as unknown as RegistryEntry<K, V, D>;
    this.take(own);
    this.#count--;
    if (this.#listeners.size > 0) this.#tell('unregister', own);
  }

  /** @throws FoundationError `name-taken` */
  protected abstract put(entry: RegistryEntry<K, V, D>): void;
  protected abstract take(entry: RegistryEntry<K, V, D>): void;
  protected abstract under(key: K): Iterable<RegistryEntry<K, V, D>>;
  protected abstract all(): Iterable<RegistryEntry<K, V, D>>;

  #processOf(owner: RegistryOwner, key: K): Process {
    if (owner instanceof ActorContext && owner.process.alive && owner.process.system === this.system)
      return owner.process;
    const pid = pidOf(owner);
    const process = this.system.process(pid);
    if (process?.alive === true) return process;
    throw new FoundationError(
      'noproc',
      `${String(key)} was not registered in ${this.name}: no live actor of this node is ${pid}.`,
    );
  }

  #tell(type: RegistryEvent<K, V, D>['type'], registration: Registration<K, V, D>): void {
    for (const listener of this.#listeners) {
      try {
        listener({ type, registration });
      } catch (error) {
        this.system.log.error({ node: this.system.node, error }, `a listener of ${this.name} failed`);
      }
    }
  }
}

/** A registry in which a key belongs to one actor at most; of two racers one wins. */
export class UniqueRegistry<K = string, V = undefined, D extends AnyDefinition = AnyDefinition> extends LocalRegistry<
  K,
  V,
  D
> {
  readonly #entries = new Map<K, RegistryEntry<K, V, D>>();

  /** Who holds `key`, with its value. Allocates nothing. */
  lookup(key: K): Registration<K, V, D> | undefined {
    return this.#entries.get(key);
  }

  /** Who holds `key`. Allocates nothing, but for the first time that a registration is asked for its ref. */
  whereis(key: K): Ref<D> | undefined {
    return this.#entries.get(key)?.ref;
  }

  /** A ref on whoever holds `key` at each send; with nobody there, calls reject with `noproc`, casts become dead letters. */
  via(key: K): Ref<D> {
    return this.system.refBy<D>({
      resolve: () => this.#entries.get(key)?.process,
      toString: () => `${this.name} '${String(key)}'`,
    });
  }

  /**
   * Replaces the value of `key` by what `update` makes of it; listeners are not told.
   * @returns the new value; undefined when this actor does not hold the key
   */
  updateValue(owner: RegistryOwner, key: K, update: (value: V) => V): V | undefined {
    const entry = this.#entries.get(key);
    if (entry?.pid.equals(pidOf(owner)) !== true) return undefined;
    entry.value = update(entry.value);
    return entry.value;
  }

  protected put(entry: RegistryEntry<K, V, D>): void {
    const holder = this.#entries.get(entry.key);
    if (holder !== undefined) {
      throw new FoundationError(
        'name-taken',
        `${String(entry.key)} in ${this.name} belongs to ${holder.process}; choose another key or stop that actor.`,
        { details: { pid: holder.pid.toString() } },
      );
    }
    this.#entries.set(entry.key, entry);
  }

  protected take(entry: RegistryEntry<K, V, D>): void {
    this.#entries.delete(entry.key);
  }

  protected under(key: K): Iterable<RegistryEntry<K, V, D>> {
    const entry = this.#entries.get(key);
    return entry === undefined ? [] : [entry];
  }

  protected all(): Iterable<RegistryEntry<K, V, D>> {
    return this.#entries.values();
  }
}

/** A registry in which any number of actors share a key, one of them also more than once: a local pub/sub. */
export class DuplicateRegistry<
  K = string,
  V = undefined,
  D extends AnyDefinition = AnyDefinition,
> extends LocalRegistry<K, V, D> {
  readonly #entries = new Map<K, Set<RegistryEntry<K, V, D>>>();

  /** All under `key`, in the order in which they registered. */
  lookup(key: K): Registration<K, V, D>[] {
    return [...this.under(key)];
  }

  /** How many are registered under `key`. */
  countOf(key: K): number {
    return this.#entries.get(key)?.size ?? 0;
  }

  protected put(entry: RegistryEntry<K, V, D>): void {
    const entries = this.#entries.get(entry.key);
    if (entries === undefined) this.#entries.set(entry.key, new Set([entry]));
    else entries.add(entry);
  }

  protected take(entry: RegistryEntry<K, V, D>): void {
    const entries = this.#entries.get(entry.key);
    entries?.delete(entry);
    if (entries?.size === 0) this.#entries.delete(entry.key);
  }

  protected under(key: K): Iterable<RegistryEntry<K, V, D>> {
    return this.#entries.get(key) ?? [];
  }

  protected *all(): Iterable<RegistryEntry<K, V, D>> {
    for (const entries of this.#entries.values()) yield* entries;
  }
}

/**
 * Makes a registry of actors of one node, after Elixir's `Registry`: keys of any type, a value with each registration.
 * `K` is the type of its keys, `V` of its values, `D` the definition of those who register.
 * @throws FoundationError `invalid-option`
 */
export function localRegistry<K = string, V = undefined, D extends AnyDefinition = AnyDefinition>(
  system: ActorSystem,
  init: LocalRegistryInit<'unique'>,
): UniqueRegistry<K, V, D>;
export function localRegistry<K = string, V = undefined, D extends AnyDefinition = AnyDefinition>(
  system: ActorSystem,
  init: LocalRegistryInit<'duplicate'>,
): DuplicateRegistry<K, V, D>;
export function localRegistry<K, V, D extends AnyDefinition>(
  system: ActorSystem,
  init: LocalRegistryInit,
): LocalRegistry<K, V, D> {
  checkKeys('localRegistry()', init, ['keys', 'name']);
  const { keys, name = 'registry' } = init;
  if (typeof name !== 'string' || name.length === 0) throw invalidOption('name', name, 'a non-empty string');
  if (keys === 'unique') return new UniqueRegistry<K, V, D>(system, name);
  if (keys === 'duplicate') return new DuplicateRegistry<K, V, D>(system, name);
  throw invalidOption('keys', keys, "'unique' or 'duplicate'");
}

function pidOf(owner: RegistryOwner): Pid {
  return owner instanceof Pid ? owner : owner.pid;
}
