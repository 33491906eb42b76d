import { seededRandom, silentLog, systemClock, Telemetry } from '@foundation-ts/core';
import { createCodec, Endpoint, type Peer, type Transport } from '@foundation-ts/transport';
import { type Lane, pingBytes } from './lane.js';
import type { Receive, Send, Wire } from './wire.js';

/** How lanes go: by which channel, and how that is undone. */
interface Way {
  /** Imported when it is asked for, so that a process loads one only. */
  readonly transport: () => Promise<Transport>;
  readonly channelOf: (lane: Lane) => string;
  readonly laneOf: (channel: string, bytes: Uint8Array) => Lane;
}

function sendOn(peer: Peer, way: Way): Send {
  return (lane, bytes) => {
    // Each lane is a partition too, as each actor is: where both share a channel, the small one need not wait for the large.
    if (peer.send(way.channelOf(lane), bytes, lane) !== 'sent') throw new Error(`The queue of '${lane}' is full.`);
  };
}

/** Our channels as they come: a connection each, fragments and credit. */
async function endpoint(name: string, way: Way, receive: Receive): Promise<Endpoint> {
  const senders = new WeakMap<Peer, Send>();
  return new Endpoint({
    self: { name, incarnation: 1, clusterId: 'bench' },
    transport: await way.transport(),
    codec: createCodec(),
    channels: [
      { name: 'control', priority: 10 },
      { name: 'data', queueBytes: 512 * 1024 * 1024 },
    ],
    clock: systemClock,
    random: seededRandom(1),
    log: silentLog,
    telemetry: new Telemetry(name),
    onPeer: peer => {
      senders.set(peer, sendOn(peer, way));
    },
    onMessage: (peer, channel, message) => {
      const bytes = message as Uint8Array;
      receive(way.laneOf(channel, bytes), bytes, senders.get(peer) as Send);
    },
    onPeerClosed: () => {},
  });
}

function wire(way: Way): Wire {
  return {
    listen: async receive =>
      (await (await endpoint('server', way, receive)).listen({ host: '127.0.0.1', port: 0 })).port,
    dial: async (port, receive) => {
      const dialling = await endpoint('client', way, receive);
      const { protocol } = await way.transport();
      const peer = await dialling.dial({ protocol, host: '127.0.0.1', port });
      return { send: sendOn(peer, way), close: () => dialling.close() };
    },
  };
}

const channels: Omit<Way, 'transport'> = { channelOf: lane => lane, laneOf: channel => channel as Lane };

export const overTcp: Wire = wire({
  transport: async () => (await import('@foundation-ts/transport/tcp')).tcp(),
  ...channels,
});
export const overWs: Wire = wire({
  transport: async () => (await import('@foundation-ts/transport/ws')).ws(),
  ...channels,
});
/** Both lanes on one channel; a ping is told by its length. */
export const oneChannel: Wire = wire({
  transport: async () => (await import('@foundation-ts/transport/tcp')).tcp(),
  channelOf: () => 'data',
  laneOf: (_channel, bytes) => (bytes.length === pingBytes ? 'control' : 'data'),
});
