import { seededRandom, silentLog, systemClock, Telemetry } from '@foundation-ts/core';
import { createCodec, Endpoint, type Peer } from '@foundation-ts/transport';
import { tcp } from '@foundation-ts/transport/tcp';
import type { Lane, Receive, Send, Wire } from './wire.js';

/** Our channels as they come: a connection each, fragments and credit. */
function endpoint(name: string, receive: Receive): Endpoint {
  const sendOn =
    (peer: Peer): Send =>
    (lane, bytes) => {
      if (peer.send(lane, bytes) !== 'sent') throw new Error(`The queue of '${lane}' is full.`);
    };
  const senders = new WeakMap<Peer, Send>();
  return new Endpoint({
    self: { name, incarnation: 1, clusterId: 'bench' },
    transport: tcp(),
    codec: createCodec(),
    channels: [{ name: 'control' }, { name: 'data', queueBytes: 512 * 1024 * 1024 }],
    clock: systemClock,
    random: seededRandom(1),
    log: silentLog,
    telemetry: new Telemetry(name),
    onPeer: peer => {
      senders.set(peer, sendOn(peer));
    },
    onMessage: (peer, channel, message) => receive(channel as Lane, message as Uint8Array, senders.get(peer) as Send),
    onPeerClosed: () => {},
  });
}

export const foundation: Wire = {
  listen: async receive => (await endpoint('server', receive).listen({ host: '127.0.0.1', port: 0 })).port,
  dial: async (port, receive) => {
    const dialling = endpoint('client', receive);
    const peer = await dialling.dial({ protocol: 'tcp', host: '127.0.0.1', port });
    return {
      send: (lane, bytes) => {
        if (peer.send(lane, bytes) !== 'sent') throw new Error(`The queue of '${lane}' is full.`);
      },
      close: () => dialling.close(),
    };
  },
};
