import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { GOSSIP_RECEIVE_BUFFER_BYTES } from './defaults.js';
import { type GossipInterface, gossipInterfaces } from './gossip-interfaces.js';

export interface GossipSocketsInit {
  readonly port: number;
  readonly multicastAddress: string | undefined;
  readonly broadcast: boolean;
  readonly interfaces: readonly string[] | undefined;
  /** How many routers a datagram may pass. */
  readonly multicastTtl: number;
  readonly received: (datagram: Uint8Array, from: RemoteInfo) => void;
  /** The receiving socket failed; it is closed. */
  readonly failed: (error: Error) => void;
  /** One interface failed; the others go on. Told once until it works again. */
  readonly interfaceFailed: (address: string, error: Error) => void;
}

interface Sender {
  readonly socket: Socket;
  readonly destinations: readonly string[];
  bound: boolean;
}

/**
 * One socket that receives on the shared port, and one a network interface that sends: on which interface a multicast
 * goes out is a property of the socket.
 */
export class GossipSockets {
  readonly #init: GossipSocketsInit;
  readonly #senders = new Map<string, Sender>();
  readonly #joined = new Set<string>();
  readonly #troubled = new Set<string>();
  #receiver: Socket | undefined;
  #closed = false;

  constructor(init: GossipSocketsInit) {
    this.#init = init;
  }

  /** Rejects when the port can't be bound; the sockets are closed then. */
  async open(): Promise<void> {
    const receiver = createSocket({ type: 'udp4', reuseAddr: true, recvBufferSize: GOSSIP_RECEIVE_BUFFER_BYTES });
    this.#receiver = receiver;
    await bind(receiver, { port: this.#init.port });
    receiver.on('error', error => {
      this.close();
      this.#init.failed(error);
    });
    receiver.on('message', (datagram, from) => {
      if (!this.#closed) this.#init.received(datagram, from);
    });
    receiver.unref();
    await this.refresh();
  }

  /** Looks at the machine's interfaces again: joins and sends on new ones, forgets those that are gone. */
  async refresh(): Promise<void> {
    if (this.#closed) return;
    const present = gossipInterfaces(this.#init.interfaces);
    const addresses = new Set(present.map(one => one.address));
    for (const address of this.#joined) if (!addresses.has(address)) this.#leave(address);
    for (const address of [...this.#senders.keys()]) if (!addresses.has(address)) this.#dropSender(address);
    for (const one of present) this.#join(one.address);
    await Promise.all(present.map(one => this.#openSender(one)));
  }

  /** Sends to every group and network; resolves when the datagram has left or failed. */
  async send(datagram: Uint8Array): Promise<void> {
    await Promise.all([...this.#senders].map(([address, sender]) => this.#sendFrom(address, sender, datagram)));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSocket(this.#receiver);
    for (const address of [...this.#senders.keys()]) this.#dropSender(address);
  }

  #join(address: string): void {
    const group = this.#init.multicastAddress;
    if (group === undefined || this.#joined.has(address)) return;
    try {
      this.#receiver?.addMembership(group, address);
      this.#joined.add(address);
      this.#troubled.delete(`join ${address}`);
    } catch (error) {
      // EADDRINUSE: joined already, through another address of the same interface
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') this.#joined.add(address);
      else this.#trouble('join', address, error as Error);
    }
  }

  #leave(address: string): void {
    this.#joined.delete(address);
    try {
      this.#receiver?.dropMembership(this.#init.multicastAddress as string, address);
    } catch {
      // the interface is gone, and its membership with it
    }
  }

  async #openSender(one: GossipInterface): Promise<void> {
    if (this.#senders.has(one.address)) return;
    const { multicastAddress, broadcast } = this.#init;
    const destinations = [multicastAddress, broadcast ? one.broadcastAddress : undefined];
    const sender: Sender = {
      socket: createSocket({ type: 'udp4' }),
      destinations: destinations.filter(destination => destination !== undefined),
      bound: false,
    };
    this.#senders.set(one.address, sender);
    try {
      await bind(sender.socket, { port: 0, address: one.address });
      sender.socket.on('error', error => this.#senderFailed(one.address, sender, error));
      sender.socket.setBroadcast(broadcast);
      sender.socket.setMulticastTTL(this.#init.multicastTtl);
      sender.socket.setMulticastLoopback(true);
      if (multicastAddress !== undefined) sender.socket.setMulticastInterface(one.address);
      sender.socket.unref();
      sender.bound = true;
      this.#troubled.delete(`open ${one.address}`);
    } catch (error) {
      this.#senderFailed(one.address, sender, error as Error);
    }
  }

  async #sendFrom(address: string, sender: Sender, datagram: Uint8Array): Promise<void> {
    if (!sender.bound) return;
    const outcomes = sender.destinations.map(
      destination =>
        new Promise<Error | null>(resolve => {
          try {
            sender.socket.send(datagram, this.#init.port, destination, resolve);
          } catch (error) {
            resolve(error as Error);
          }
        }),
    );
    const failures = (await Promise.all(outcomes)).filter(failure => failure !== null);
    // an interface that carries one of the two (a loopback without multicast) serves
    if (failures.length < sender.destinations.length) this.#troubled.delete(`send ${address}`);
    else if (failures[0] !== undefined) this.#trouble('send', address, failures[0]);
  }

  #senderFailed(address: string, sender: Sender, error: Error): void {
    if (this.#senders.get(address) === sender) this.#senders.delete(address);
    sender.bound = false;
    closeSocket(sender.socket);
    this.#trouble('open', address, error);
  }

  #dropSender(address: string): void {
    const sender = this.#senders.get(address);
    this.#senders.delete(address);
    if (sender === undefined) return;
    sender.bound = false;
    closeSocket(sender.socket);
  }

  #trouble(action: string, address: string, error: Error): void {
    const key = `${action} ${address}`;
    if (this.#closed || this.#troubled.has(key)) return;
    this.#troubled.add(key);
    this.#init.interfaceFailed(address, error);
  }
}

function bind(socket: Socket, options: { readonly port: number; readonly address?: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    const refused = (error: Error): void => {
      closeSocket(socket);
      reject(error);
    };
    socket.once('error', refused);
    socket.bind({ ...options, exclusive: false }, () => {
      socket.off('error', refused);
      resolve();
    });
  });
}

function closeSocket(socket: Socket | undefined): void {
  // an error that arrives after this is of no interest, and without a listener it would end the process
  socket?.on('error', () => {});
  try {
    socket?.close();
  } catch {
    // closed already
  }
}
