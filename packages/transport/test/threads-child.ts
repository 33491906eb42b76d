import { workerData } from 'node:worker_threads';
import { silentLog, systemClock, systemRandom, Telemetry } from '@foundation-ts/core';
import { createCodec, Endpoint } from '@foundation-ts/transport';
import { threads } from '@foundation-ts/transport/threads';

const { name, port } = workerData as { name: string; port: Parameters<typeof threads>[0]['port'] & object };

/** Sends back what it gets; ends, or hangs, when told to. */
const endpoint = new Endpoint({
  self: { name, incarnation: 1, clusterId: 'test' },
  transport: threads({ port }),
  codec: createCodec(),
  clock: systemClock,
  random: systemRandom,
  log: silentLog,
  telemetry: new Telemetry(name),
  onPeer: () => {},
  onMessage: (peer, channel, message) => {
    if (message === 'exit') process.exit();
    if (message === 'close') void endpoint.close();
    else peer.send(channel, message);
  },
  onPeerClosed: () => {},
});
await endpoint.listen({ host: name, port: 7 });
