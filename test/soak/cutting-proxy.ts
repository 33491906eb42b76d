import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Random } from '@foundation-ts/core';

/** Passes TCP connections on to a port, and resets one of them when told to: what it holds of it is lost. */
export class CuttingProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param target - asked for the port at each connection */
  static async start(target: () => number): Promise<CuttingProxy> {
    const server = createServer({ noDelay: true, allowHalfOpen: true });
    const proxy = new CuttingProxy(server);
    server.on('connection', near => proxy.#join(near, connect({ port: target(), noDelay: true, allowHalfOpen: true })));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** Resets one connection, any one. @returns whether there was one */
  cut(random: Random): boolean {
    const pair = [...this.#pairs][Math.floor(random.next() * this.#pairs.size)];
    if (pair === undefined) return false;
    for (const socket of pair) socket.resetAndDestroy();
    return true;
  }

  #join(near: Socket, far: Socket): void {
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    for (const [socket, other] of [pair, [far, near] as const]) {
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        other.destroy();
        this.#pairs.delete(pair);
      });
      socket.pipe(other);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const [near, far] of this.#pairs) {
      near.destroy();
      far.destroy();
    }
    await new Promise(resolve => this.#server.close(resolve));
  }
}
