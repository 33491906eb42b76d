import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';

/** What each process of a crowd is started with. */
export interface Place {
  readonly side: 'foundation' | 'sockets';
  /** Which of the ports is its own. */
  readonly index: number;
  readonly ports: readonly number[];
}

/** Processes that have loaded their code, and wait for the word. */
export interface Crowd {
  /** @returns milliseconds from the word until the last has all others */
  form(): Promise<number>;
  close(): Promise<void>;
}

export async function openCrowd(side: Place['side'], count: number): Promise<Crowd> {
  const ports = await freePorts(count);
  const processes = ports.map((_, index) => {
    const place: Place = { side, index, ports };
    return fork(join(import.meta.dirname, 'process.js'), [JSON.stringify(place)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
  });
  await Promise.all(processes.map(said));
  return {
    form: async () => {
      const formed = Promise.all(processes.map(said));
      const start = performance.now();
      for (const process of processes) process.send('form');
      await formed;
      return performance.now() - start;
    },
    close: async () => {
      await Promise.all(
        processes.map(async process => {
          if (process.exitCode !== null || process.signalCode !== null) return;
          const exited = once(process, 'exit');
          process.disconnect();
          await exited;
        }),
      );
    },
  };
}

/** The next message of a process. */
function said(process: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = (): void => reject(new Error('A process of the crowd has ended.'));
    process.once('exit', gone);
    process.once('message', () => {
      process.off('exit', gone);
      resolve();
    });
  });
}

/** Ports that are free now; everybody has to know all of them before anybody listens. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers: readonly Server[] = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map(server => once(server, 'listening')));
  const ports = servers.map(server => (server.address() as AddressInfo).port);
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))));
  return ports;
}
