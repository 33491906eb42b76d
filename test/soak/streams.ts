/** A row of numbered messages whose order is promised. */
export interface Stream {
  readonly id: string;
  readonly channel: string;
  readonly partition: number;
  /** Nothing that was taken may be missing while both nodes live. */
  readonly acknowledged: boolean;
}

export const streams: readonly Stream[] = [
  { id: 'data 0', channel: 'data', partition: 0, acknowledged: false },
  { id: 'data 1', channel: 'data', partition: 1, acknowledged: false },
  { id: 'orders 0', channel: 'orders', partition: 0, acknowledged: true },
  { id: 'orders 1', channel: 'orders', partition: 1, acknowledged: true },
  { id: 'orders 2', channel: 'orders', partition: 2, acknowledged: true },
];

/** Numbers from the first to the last. */
export type Range = readonly [first: number, last: number];

/** Numbers as ranges: they come mostly one after the other, and a soak must not fill the memory that it measures. */
export class Ranges {
  readonly list: [first: number, last: number][] = [];

  add(number: number): void {
    const last = this.list.at(-1);
    if (last !== undefined && last[1] + 1 === number) last[1] = number;
    else this.list.push([number, number]);
  }
}

export type Outcome = 'open' | 'answered' | 'not-delivered' | 'unknown';

/** What a sender knows of its own messages, by stream. */
export interface Sent {
  /** How many; their numbers begin at 0. */
  readonly sent: Readonly<Record<string, number>>;
  /** Those that were certainly not delivered. */
  readonly refused: Readonly<Record<string, readonly Range[]>>;
  /** Those given up after they were written. */
  readonly lost: Readonly<Record<string, readonly Range[]>>;
  /** Of each call. */
  readonly outcomes: readonly Outcome[];
}

/** What a receiver knows. */
export interface Arrivals {
  readonly streams: Readonly<
    Record<
      string,
      {
        readonly last: number;
        readonly count: number;
        readonly wrong: readonly string[];
        readonly missing: readonly Range[];
      }
    >
  >;
  /** How often each call was handled. */
  readonly handled: Uint8Array;
  readonly cuts: number;
  readonly incarnations: number;
}

/** Bytes, after a garbage collection. */
export interface Memory {
  readonly rss: number;
  /** Heap and what it holds outside. */
  readonly held: number;
  readonly messages: number;
  readonly cuts: number;
}
