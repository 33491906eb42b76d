/** One figure that a bench yields. */
export interface Metric {
  /** As in the table of figures to reach: `'cast.batched'`. */
  readonly id: string;
  readonly unit: string;
  readonly higherIsBetter: boolean;
  /** What ours has to reach; none for a figure that only explains another. */
  readonly goal?: Goal;
}

/** Bounds: at least when higher is better, else at most. */
export interface Goal {
  /** Of ours itself, in the metric's unit. */
  readonly value?: number;
  /** Of ours ÷ floor. */
  readonly floor?: number;
  /** Of ours ÷ best peer. */
  readonly peer?: number;
}

/** What one round yields: a value for each metric that the contender can measure, by the metric's id. */
export type Values = Readonly<Record<string, number>>;

/** A contender that has been set up and can be measured again and again. */
export interface Running {
  /** Does `size` units of work and measures them. */
  round(size: number): Promise<Values>;
  close?(): Promise<void> | void;
}

/**
 * Who takes part. `floor` is the same work with nothing in between. A `peer` has true mailboxes: a send returns before the
 * handler runs. A `reference` runs the handler inside the send (xstate, moleculer) or is another arrangement of the raw
 * work; its ratio is shown too, but it never is the best peer.
 * Each contender runs in a process of its own, so that none pays for another's garbage or its types.
 */
export interface Contender {
  readonly name: string;
  readonly kind: 'ours' | 'floor' | 'peer' | 'reference';
  /** Fraction of the round's size that it does, for one that is slower by orders of magnitude; default 1. */
  readonly share?: number;
  /** Imports what it needs by itself, so that a process loads one library only. */
  start(): Promise<Running>;
}

export interface Bench {
  readonly id: string;
  readonly group: 'local' | 'remote' | 'hol' | 'cluster' | 'scale';
  readonly title: string;
  readonly metrics: readonly Metric[];
  /** Units of work in a round: of the real run, and of the quick one if it takes part in that. */
  readonly size: { readonly full: number; readonly smoke?: number };
  readonly contenders: readonly Contender[];
}
