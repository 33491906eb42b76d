import type { Sender } from '@foundation-ts/core';
import type { Peer } from '@foundation-ts/transport';
import { DATA } from '../wire.js';

/** Channels that have a bit of their own; the others share one, which stands for all channels. */
const CHANNELS = 29;
const ANY = 1 << CHANNELS;

/**
 * What an actor's `trail` says: on which channels it has sent to other nodes such that a signal that it sends later could arrive earlier. A bit for
 * each channel; most actors never get one, since signals take the way of messages to a pid.
 */
export class Trails {
  readonly #bits = new Map<string, number>([[DATA, 1]]);
  readonly #names = [DATA];

  /**
   * Notes what was just sent on `peer`.
   * @param ordinary - in the partition of its target's pid
   */
  sent(by: Sender, peer: Peer, ordinary: boolean): void {
    const channel = peer.routed;
    if (channel !== DATA || (!ordinary && peer.overtakes(DATA))) by.trail |= this.#bit(channel);
  }

  /** The channels of a trail; undefined: any. */
  channels(trail: number): readonly string[] | undefined {
    return (trail & ANY) === 0 ? this.#names.filter((_, index) => (trail & (1 << index)) !== 0) : undefined;
  }

  #bit(channel: string): number {
    let bit = this.#bits.get(channel);
    if (bit === undefined) {
      if (this.#names.length >= CHANNELS) return ANY;
      bit = 1 << this.#names.length;
      this.#bits.set(channel, bit);
      this.#names.push(channel);
    }
    return bit;
  }
}
