import type { Pid } from './pid.js';

/**
 * Who a process is linked with, under the number of a local pid or the key of another. Most have one link, to their supervisor:
 * that one is kept without a table.
 */
export class Links {
  #id: number | string | undefined = undefined;
  #pid: Pid | undefined = undefined;
  /** The links beyond the one above; in their order. */
  #more: Map<number | string, Pid> | undefined = undefined;

  get size(): number {
    return (this.#pid === undefined ? 0 : 1) + (this.#more?.size ?? 0);
  }

  set(id: number | string, pid: Pid): void {
    if (this.#id === id || (this.#pid === undefined && this.#more === undefined)) {
      this.#id = id;
      this.#pid = pid;
      return;
    }
    this.#more ??= new Map();
    this.#more.set(id, pid);
  }

  has(id: number | string): boolean {
    return this.#id === id || this.#more?.has(id) === true;
  }

  /** @returns whether there was such a link */
  delete(id: number | string): boolean {
    if (this.#id !== id) return this.#more?.delete(id) === true;
    this.#id = undefined;
    this.#pid = undefined;
    return true;
  }

  /** In the order in which they were made. */
  *values(): Generator<Pid> {
    if (this.#pid !== undefined) yield this.#pid;
    if (this.#more !== undefined) yield* this.#more.values();
  }
}
