import { FoundationError } from './errors.js';
import type { Process } from './process.js';

/** The names of one node: unique, freed before their actor's exit is reported. */
export class LocalNames {
  readonly #byName = new Map<string, Process>();

  whereis(name: string): Process | undefined {
    return this.#byName.get(name);
  }

  /** All names, in the order of their registration. */
  names(): string[] {
    return [...this.#byName.keys()];
  }

  /** @throws FoundationError `name-taken`, `invalid-option`, `noproc` when the actor has ended */
  register(name: string, process: Process): void {
    if (typeof name !== 'string' || name.length === 0) {
      throw new FoundationError('invalid-option', `A name is a non-empty string; given: ${String(name)}.`);
    }
    const holder = this.#byName.get(name);
    if (holder === process) return;
    if (holder !== undefined) {
      throw new FoundationError(
        'name-taken',
        `The name '${name}' belongs to ${holder.pid}; choose another or stop that actor.`,
        {
          details: { name },
        },
      );
    }
    if (!process.alive) throw process.notAlive(`register '${name}'`);
    this.#byName.set(name, process);
    process.names = process.names === undefined ? [name] : [...process.names, name];
  }

  /** @returns whether the name was registered */
  unregister(name: string): boolean {
    const holder = this.#byName.get(name);
    if (holder === undefined) return false;
    this.#byName.delete(name);
    holder.names = holder.names?.filter(other => other !== name);
    return true;
  }

  /** Frees every name of an actor that ended. */
  release(process: Process): void {
    if (process.names === undefined) return;
    for (const name of process.names) {
      if (this.#byName.get(name) === process) this.#byName.delete(name);
    }
    process.names = undefined;
  }
}
