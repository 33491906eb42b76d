import type { Pid } from './pid.js';
import type { Process } from './process.js';
import type { AnyDefinition, Ref } from './types.js';

/** One actor under one key of a local registry. */
export interface Registration<K = unknown, V = unknown, D extends AnyDefinition = AnyDefinition> {
  readonly key: K;
  /** What was registered with it, as `updateValue` left it. */
  readonly value: V;
  readonly pid: Pid;
  readonly ref: Ref<D>;
}

/** A registration as its registry keeps it: also a node in the list of what its actor holds. */
export class RegistryEntry<K = unknown, V = unknown, D extends AnyDefinition = AnyDefinition>
  implements Registration<K, V, D>
{
  readonly process: Process;
  readonly key: K;
  value: V;
  /** Registries count up: what is registered later has a higher one. */
  readonly order: number;
  readonly registry: { release(entry: RegistryEntry): void };
  previous: RegistryEntry | undefined = undefined;
  next: RegistryEntry | undefined = undefined;
  #ref: Ref<D> | undefined = undefined;

  constructor(registry: { release(entry: RegistryEntry): void }, process: Process, key: K, value: V, order: number) {
    this.registry = registry;
    this.process = process;
    this.key = key;
    this.value = value;
    this.order = order;
  }

  get pid(): Pid {
    return this.process.pid;
  }

  get ref(): Ref<D> {
    this.#ref ??= this.process.system.refTo<D>(this.process);
    return this.#ref;
  }

  /** Puts it at the front of what its actor holds. */
  hold(): void {
    const first = this.process.registrations;
    this.next = first;
    if (first !== undefined) first.previous = this;
    this.process.registrations = this;
  }

  letGo(): void {
    if (this.previous === undefined) this.process.registrations = this.next;
    else this.previous.next = this.next;
    if (this.next !== undefined) this.next.previous = this.previous;
    this.previous = undefined;
    this.next = undefined;
  }
}

/** Takes an actor that ended out of every registry. */
export function releaseRegistrations(process: Process): void {
  while (process.registrations !== undefined) {
    const entry: RegistryEntry = process.registrations;
    entry.letGo();
    entry.registry.release(entry);
  }
}
