import type { Timer } from '@foundation-ts/core';
import type { MemoryConnection } from './connection.js';
import type { Held, MemoryNetwork } from './network.js';

/**
 * What travels: a frame, or a sign of the connection itself. `taken` says that the receiver has taken frames, and is sent
 * only while the sender waits for it.
 */
export type Parcel = Uint8Array | 'established' | 'finished' | 'finish-seen' | 'reset' | 'taken';

interface Travelling {
  readonly at: number;
  readonly parcel: Parcel;
}

/** One direction of one connection: a queue of parcels with the time at which each arrives. */
export class Pipe implements Held {
  readonly from: string;
  readonly to: string;
  readonly #network: MemoryNetwork;
  readonly #receiver: MemoryConnection;
  #queue: Travelling[] = [];
  #timer: Timer | undefined;
  #soon = false;
  #lastAt = 0;
  #busyUntil = 0;

  constructor(network: MemoryNetwork, from: string, to: string, receiver: MemoryConnection) {
    this.#network = network;
    this.from = from;
    this.to = to;
    this.#receiver = receiver;
  }

  /** @returns false when the link's faults cut the connection at this frame */
  push(parcel: Parcel): boolean {
    const network = this.#network;
    const faults = network.faultsOf(this.from, this.to);
    const isFrame = parcel instanceof Uint8Array;
    if (isFrame && network.chance(faults.cutProbability)) return false;
    this.#enqueue(parcel);
    if (isFrame && network.chance(faults.duplicate)) this.#enqueue(parcel.slice());
    if (isFrame && network.chance(faults.reorder)) this.#swapLast();
    this.#schedule();
    return true;
  }

  /** The way is free again: what was held sets out now. */
  release(): void {
    if (this.#queue.length === 0) return;
    const now = this.#network.clock.now();
    const held = this.#queue;
    this.#queue = [];
    this.#lastAt = now;
    this.#busyUntil = now;
    for (const { at, parcel } of held) {
      if (at <= now) this.#enqueue(parcel);
      else {
        this.#queue.push({ at, parcel });
        this.#lastAt = at;
      }
    }
    this.#schedule();
  }

  /** Nothing more arrives. */
  destroy(): void {
    this.#queue = [];
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #enqueue(parcel: Parcel): void {
    const network = this.#network;
    const faults = network.faultsOf(this.from, this.to);
    const now = network.clock.now();
    let departure = now;
    if (parcel instanceof Uint8Array && faults.bandwidth !== Number.POSITIVE_INFINITY) {
      this.#busyUntil = Math.max(this.#busyUntil, now) + (parcel.byteLength / faults.bandwidth) * 1000;
      departure = this.#busyUntil;
    }
    const at = Math.max(departure + network.travelTime(faults), this.#lastAt);
    this.#lastAt = at;
    this.#queue.push({ at, parcel });
  }

  #swapLast(): void {
    const queue = this.#queue;
    const last = queue[queue.length - 1];
    const before = queue[queue.length - 2];
    if (last === undefined || before === undefined) return;
    if (!(last.parcel instanceof Uint8Array) || !(before.parcel instanceof Uint8Array)) return;
    queue[queue.length - 1] = { at: last.at, parcel: before.parcel };
    queue[queue.length - 2] = { at: before.at, parcel: last.parcel };
  }

  #schedule(): void {
    const head = this.#queue[0];
    if (head === undefined || this.#soon) return;
    if (this.#network.isBlocked(this.from, this.to)) {
      this.#network.hold(this);
      return;
    }
    const wait = head.at - this.#network.clock.now();
    if (wait <= 0) {
      this.#soon = true;
      this.#network.soon(this.#pump);
    } else if (this.#timer === undefined) {
      this.#timer = this.#network.clock.setTimeout(this.#onTimer, wait);
    }
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined;
    this.#pump();
  };

  readonly #pump = (): void => {
    this.#soon = false;
    const now = this.#network.clock.now();
    let due = 0;
    while (due < this.#queue.length && (this.#queue[due] as Travelling).at <= now) due++;
    if (due > 0 && !this.#network.isBlocked(this.from, this.to)) {
      for (const { parcel } of this.#queue.splice(0, due)) this.#receiver.arrive(parcel);
    }
    this.#schedule();
  };
}
