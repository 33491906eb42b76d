import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { ServiceBroker } from 'moleculer';
import type { Side } from './link.js';
import { Work } from './work.js';

function broker(nodeID: string, urls: readonly string[]): ServiceBroker {
  return new ServiceBroker({
    nodeID,
    logger: false,
    transporter: { type: 'TCP', options: { udpDiscovery: false, urls: urls.join(',') } },
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Two brokers with the TCP transporter; a call is an action, a cast an event. */
export const moleculer: Side = {
  serve: async () => {
    const urls = [`127.0.0.1:${await freePort()}/server`, `127.0.0.1:${await freePort()}/client`];
    const serving = broker('server', urls);
    const work = new Work();
    serving.createService({
      name: 'worker',
      actions: { measure: ({ params }) => work.answer((params as { payload: string }).payload) },
      events: {
        take: (context: { params: { payload: string } }) => {
          if (work.take(context.params.payload)) void serving.emit('told');
        },
      },
    });
    await serving.start();
    return JSON.stringify(urls);
  },
  dial: async (where, told) => {
    const dialling = broker('client', JSON.parse(where) as string[]);
    dialling.createService({ name: 'teller', events: { told } });
    await dialling.start();
    await dialling.waitForServices('worker', 10_000);
    return {
      call: payload => dialling.call('worker.measure', { payload }),
      cast: payload => void dialling.emit('take', { payload }),
      close: () => dialling.stop(),
    };
  },
};
