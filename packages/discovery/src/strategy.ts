import type { Address, Clock, Log, Random, Telemetry } from '@foundation-ts/core';

/** What a node tells others about itself so that they can dial it. */
export interface Advertised {
  /** The node's name. */
  readonly name: string;
  /** Nodes of other clusters are ignored. */
  readonly clusterId: string;
  readonly incarnation: number;
  readonly address: Address;
}

/** What a strategy gets from the node that runs it. */
export interface DiscoveryContext {
  /** The node itself; `address` is undefined while it does not listen. */
  readonly self: { readonly name: string; readonly clusterId: string; readonly address: Address | undefined };
  /** The cluster's shared key, for strategies that authenticate or encrypt what they send. */
  readonly secret: Uint8Array | undefined;
  /** The keys to accept from others while the key is being changed, {@link secret} among them; default: that one alone. */
  readonly accepts?: readonly Uint8Array[] | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly telemetry: Telemetry;
  /** Aborted when the node stops; the strategy ends its watch then. */
  readonly signal: AbortSignal;
  /** Reports a failed look-up. A failure is not an empty set: the last value stands. */
  failed(error: Error): void;
}

/**
 * Says which nodes might exist. Only a hint: membership is proven in the handshake, and nobody is disconnected because a
 * strategy stopped naming him.
 */
export interface DiscoveryStrategy {
  /** For logs and telemetry: `'static'`, `'same-host'`, `'gossip'`. */
  readonly name: string;
  /** Level-triggered: each value is the whole set known now (the node itself may be in it). Ends when `ctx.signal` aborts. */
  watch(ctx: DiscoveryContext): AsyncIterable<readonly Address[]>;
  /** Makes the node findable until the result is disposed of. */
  advertise?(self: Advertised, ctx: DiscoveryContext): Promise<AsyncDisposable>;
}
