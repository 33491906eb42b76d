import { type Address, FoundationError, seededRandom, silentLog, Telemetry } from '@foundation-ts/core';
import { SimulatedClock } from '@foundation-ts/testing';
import {
  type Connection,
  type ConnectionEvents,
  createCodec,
  Endpoint,
  type EndpointInit,
  type Peer,
} from '../src/index.js';
import { type LinkFaults, MemoryNetwork, memory } from '../src/memory/index.js';

export const secret = new Uint8Array(32).fill(1);
export const PORT = 4370;

export type Over = Partial<Omit<EndpointInit, 'self'>> & { self?: Partial<EndpointInit['self']>; host?: string };

/** A node of the simulation: records what its endpoint reports. */
export class Node {
  readonly endpoint: Endpoint;
  readonly events: string[] = [];
  readonly opened: Peer[] = [];
  readonly closed: [Peer, Error | undefined][] = [];
  readonly messages: [string, string, unknown][] = [];
  readonly warnings: string[] = [];
  readonly name: string;
  readonly host: string;
  onMessage: (peer: Peer, channel: string, message: unknown) => void = () => {};

  constructor(world: World, name: string, over: Over = {}) {
    const { self, host = name, ...rest } = over;
    this.name = name;
    this.host = host;
    this.endpoint = new Endpoint({
      self: { name, incarnation: 1, clusterId: 'test', metadata: { role: name }, ...self },
      transport: memory({ network: world.network, host }),
      codec: createCodec(),
      secret,
      clock: world.clock,
      random: seededRandom(world.seed * 1000 + name.charCodeAt(0)),
      log: { ...silentLog, warn: (_fields, text) => this.warnings.push(text) },
      telemetry: new Telemetry(name),
      onPeer: peer => {
        this.events.push(`up ${peer.identity.name}`);
        this.opened.push(peer);
      },
      onPeerClosed: (peer, reason) => {
        this.events.push(`down ${peer.identity.name}`);
        this.closed.push([peer, reason]);
      },
      onMessage: (peer, channel, message) => {
        this.messages.push([peer.identity.name, channel, message]);
        this.onMessage(peer, channel, message);
      },
      ...rest,
    });
  }

  get address(): Address {
    return { protocol: 'memory', host: this.host, port: PORT };
  }

  async listen(): Promise<this> {
    await this.endpoint.listen({ host: this.host, port: PORT });
    return this;
  }

  peer(name: string): Peer {
    const peer = this.endpoint.peers.get(name);
    if (peer === undefined) throw new Error(`${this.name} has no peer ${name}`);
    return peer;
  }
}

export class World {
  readonly clock = new SimulatedClock();
  readonly network: MemoryNetwork;
  readonly seed: number;

  constructor(seed = 1, faults: LinkFaults = {}) {
    this.seed = seed;
    this.network = new MemoryNetwork({ clock: this.clock, random: seededRandom(seed), faults });
  }

  node(name: string, over?: Over): Promise<Node> {
    return new Node(this, name, over).listen();
  }

  async pair(faults: Over = {}): Promise<[Node, Node]> {
    const a = await this.node('a', faults);
    const b = await this.node('b', faults);
    await this.settled(a.endpoint.dial(b.address));
    await this.clock.advance(50);
    return [a, b];
  }

  /** Lets time pass until a promise has settled. */
  async settled<T>(promise: Promise<T>, within = 20_000): Promise<T> {
    let done = false;
    const mark = (): void => {
      done = true;
    };
    promise.then(mark, mark);
    await this.clock.advanceUntil(() => done, { within, what: 'the promise settles' });
    return promise;
  }

  async failure(promise: Promise<unknown>): Promise<FoundationError> {
    try {
      await this.settled(promise);
    } catch (error) {
      if (error instanceof FoundationError) return error;
      throw error;
    }
    throw new Error('it did not fail');
  }

  /** A bare connection to a node, as a stranger has it. */
  async stranger(
    to: Node,
    host = 'stranger',
  ): Promise<{ connection: Connection; frames: Uint8Array[]; closed: () => boolean }> {
    const frames: Uint8Array[] = [];
    let closed = false;
    const events: ConnectionEvents = {
      frame: bytes => frames.push(bytes),
      drain: () => {},
      close: () => {
        closed = true;
      },
    };
    const transport = memory({ network: this.network, host });
    const connection = await this.settled(
      transport.dial(to.address, { timeout: 1_000, maxFrameBytes: 1 << 24, open: () => events }),
    );
    return { connection, frames, closed: () => closed };
  }
}
