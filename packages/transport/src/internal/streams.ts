import type { PeerIdentity } from '../peer.js';
import type { Outbound } from './outbound.js';

/** Incarnations whose streams are kept at most; one more gives up those that were lost first. */
const MAX_REMEMBERED = 1_024;

/** One connection of an acknowledged channel over all sessions between the same two incarnations. */
export interface Stream {
  readonly channel: string;
  readonly index: number;
  outbound: Outbound | undefined;
  /** Messages of the other side that were handled here. */
  received: number;
}

/** What two incarnations owe each other. */
export interface PeerStreams {
  readonly identity: PeerIdentity;
  readonly streams: Map<string, Stream>;
}

/** The streams of every incarnation that this node has met and that is not known to be gone. */
export class Streams {
  readonly #peers = new Map<string, PeerStreams>();

  /** The stream of one connection, which begins if there is none. */
  take(identity: PeerIdentity, channel: string, index: number): Stream {
    const { name } = identity;
    let peer = this.#peers.get(name);
    if (peer === undefined || peer.identity.incarnation !== identity.incarnation) {
      peer = { identity, streams: new Map() };
    }
    // Last met is last given up.
    this.#peers.delete(name);
    this.#peers.set(name, peer);
    const key = `${index} ${channel}`;
    let stream = peer.streams.get(key);
    if (stream === undefined) {
      stream = { channel, index, outbound: undefined, received: 0 };
      peer.streams.set(key, stream);
    }
    return stream;
  }

  /** Incarnations of that node other than `incarnation`. */
  superseded(name: string, incarnation: number): PeerStreams | undefined {
    const peer = this.#peers.get(name);
    if (peer === undefined || peer.identity.incarnation === incarnation) return undefined;
    this.#peers.delete(name);
    return peer;
  }

  /** The streams of an incarnation that keep something, and do not go on in a session with it. */
  stranded(
    { name, incarnation }: PeerIdentity,
    goesOn: (stream: Stream, outbound: Outbound) => boolean,
  ): PeerStreams | undefined {
    const peer = this.#peers.get(name);
    if (peer?.identity.incarnation !== incarnation) return undefined;
    const stranded = [...peer.streams].filter(
      ([, stream]) => stream.outbound !== undefined && !stream.outbound.idle && !goesOn(stream, stream.outbound),
    );
    return { identity: peer.identity, streams: new Map(stranded) };
  }

  /** That incarnation will not come back. */
  forget(name: string, incarnation: number): PeerStreams | undefined {
    const peer = this.#peers.get(name);
    if (peer?.identity.incarnation !== incarnation) return undefined;
    this.#peers.delete(name);
    return peer;
  }

  /** The incarnations that are too many, among those that `isGone`. */
  excess(isGone: (name: string) => boolean): readonly PeerStreams[] {
    const given: PeerStreams[] = [];
    for (const [name, peer] of this.#peers) {
      if (this.#peers.size <= MAX_REMEMBERED) break;
      if (!isGone(name)) continue;
      this.#peers.delete(name);
      given.push(peer);
    }
    return given;
  }

  clear(): readonly PeerStreams[] {
    const all = [...this.#peers.values()];
    this.#peers.clear();
    return all;
  }
}
