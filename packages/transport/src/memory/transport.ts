import { type Address, checkKeys, FoundationError, formatAddress, invalidOption } from '@foundation-ts/core';
import type { Connection, DialOptions, Listener, ListenOptions, Transport } from '../transport.js';
import { MemoryConnection } from './connection.js';
import type { HostLife, MemoryNetwork, Port } from './network.js';

/** Options of {@link memory}. */
export interface MemoryInit {
  readonly network: MemoryNetwork;
  /** The name of the host on that network; any text. */
  readonly host: string;
}

const PROTOCOL = 'memory';
const RETRY_BLOCKED = 200;
const ANY_HOST: ReadonlySet<string> = new Set(['0.0.0.0', '::', '127.0.0.1', '::1', 'localhost']);

/**
 * The transport of one host of a {@link MemoryNetwork}, within one process. Addresses are `memory://<host>:<port>`;
 * loopback and wildcard hosts mean the own host.
 */
export function memory(init: MemoryInit): Transport {
  checkKeys('memory', init, ['network', 'host']);
  if (typeof init.host !== 'string' || init.host === '') throw invalidOption('host', init.host, 'a non-empty text');
  return new MemoryTransport(init.network, init.network.start(init.host));
}

class MemoryTransport implements Transport {
  readonly local = true;
  readonly protocol = PROTOCOL;
  readonly #network: MemoryNetwork;
  readonly #life: HostLife;

  constructor(network: MemoryNetwork, life: HostLife) {
    this.#network = network;
    this.#life = life;
  }

  async listen(options: ListenOptions): Promise<Listener> {
    const life = this.#life;
    this.#checkAlive('listen');
    if (options.host !== life.name && !ANY_HOST.has(options.host)) {
      throw invalidOption('host', options.host, `'${life.name}', the host that this transport is on`);
    }
    const port = options.port === 0 ? life.freePort() : options.port;
    const address: Address = { protocol: PROTOCOL, host: life.name, port };
    if (life.ports.has(port)) {
      throw new FoundationError(
        'address-in-use',
        `Can't listen on ${formatAddress(address)}: another listener has the port. Choose another port, or 0 for a free one.`,
      );
    }
    const entry: Port = {
      address,
      accept: dialler => {
        const remote: Address = { protocol: PROTOCOL, host: dialler.host, port: dialler.port };
        return new MemoryConnection(this.#network, life.name, port, remote, options.maxFrameBytes);
      },
      open: connection => options.accept(connection),
    };
    life.ports.set(port, entry);
    return {
      address,
      close: async () => {
        if (life.ports.get(port) === entry) life.ports.delete(port);
      },
    };
  }

  dial(to: Address, options: DialOptions): Promise<Connection> {
    return new Promise((resolve, reject) => {
      new Dial(this.#network, this.#life, to, options, resolve, reject).start();
    });
  }

  #checkAlive(what: string): void {
    if (this.#life.alive) return;
    throw new FoundationError('noconnection', `Can't ${what}: host '${this.#life.name}' has crashed.`);
  }
}

/** One attempt to connect: a request that travels there, an answer that travels back. */
class Dial {
  readonly #network: MemoryNetwork;
  readonly #life: HostLife;
  readonly #to: Address;
  readonly #host: string;
  readonly #options: DialOptions;
  readonly #resolve: (connection: Connection) => void;
  readonly #reject: (error: Error) => void;
  readonly #local: MemoryConnection;
  #timer: { cancel(): void } | undefined;
  #settled = false;

  constructor(
    network: MemoryNetwork,
    life: HostLife,
    to: Address,
    options: DialOptions,
    resolve: (connection: Connection) => void,
    reject: (error: Error) => void,
  ) {
    this.#network = network;
    this.#life = life;
    this.#to = to;
    this.#host = ANY_HOST.has(to.host) ? life.name : to.host;
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#local = new MemoryConnection(network, life.name, life.freePort(), to, options.maxFrameBytes);
  }

  start(): void {
    const { timeout, signal } = this.#options;
    if (signal?.aborted === true) {
      this.#onAbort();
      return;
    }
    if (!this.#life.alive) {
      this.#fail('noconnection', `host '${this.#life.name}' has crashed`);
      return;
    }
    this.#timer = this.#network.clock.setTimeout(
      () => this.#fail('timeout', `no answer within ${timeout} ms`),
      timeout,
    );
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#request();
  }

  #request(): void {
    if (this.#settled) return;
    if (this.#network.isBlocked(this.#life.name, this.#host)) {
      this.#network.clock.setTimeout(() => this.#request(), RETRY_BLOCKED);
      return;
    }
    this.#travel(this.#life.name, this.#host, () => this.#arrive());
  }

  #travel(from: string, to: string, arrive: () => void): void {
    const time = this.#network.travelTime(this.#network.faultsOf(from, to));
    if (time > 0) this.#network.clock.setTimeout(arrive, time);
    else this.#network.soon(arrive);
  }

  #arrive(): void {
    if (this.#settled || !this.#life.alive) return;
    const life = this.#network.lifeOf(this.#host);
    if (life === 'dark') return;
    const port = life?.ports.get(this.#to.port);
    if (port === undefined) {
      if (this.#network.isBlocked(this.#host, this.#life.name)) return;
      this.#travel(this.#host, this.#life.name, () => this.#fail('refused', 'nothing listens there'));
      return;
    }
    const local = this.#local;
    const remote = port.accept(local);
    local.attach(remote, undefined, () => this.#established());
    remote.attach(local, undefined);
    remote.establish();
    remote.take(port.open(remote));
  }

  #established(): void {
    if (this.#settled) return;
    this.#settle();
    this.#local.take(this.#options.open(this.#local));
    this.#resolve(this.#local);
  }

  readonly #onAbort = (): void => this.#fail('aborted', 'the caller aborted');

  #fail(code: 'timeout' | 'refused' | 'aborted' | 'noconnection', why: string): void {
    if (this.#settled) return;
    this.#settle();
    const error = new FoundationError(code, `Can't connect to ${formatAddress(this.#to)}: ${why}.`);
    // Also when the other side has accepted already: its end then hears of the reset.
    void this.#local.close(error);
    this.#reject(error);
  }

  #settle(): void {
    this.#settled = true;
    this.#timer?.cancel();
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
  }
}
