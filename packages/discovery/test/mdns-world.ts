import type { Address } from '@foundation-ts/core';
import { SimulatedClock } from '@foundation-ts/testing';
import { decode, encode } from 'dns-packet';
import type { Advertised } from '../src/index.js';
import { Latest } from '../src/latest.js';
import { MdnsAgent, type MdnsSettings } from '../src/mdns-agent.js';
import type { MdnsLink } from '../src/mdns-link.js';
import { type Endpoint, fromWire, type MdnsPacket, toWire } from '../src/mdns-record.js';
import type { MdnsNetworkEvents } from '../src/mdns-sockets.js';
import { type TestContext, testContext } from './context.js';

export const settings: MdnsSettings = {
  service: 'foundation',
  port: 5_353,
  maxInstances: 64,
  queryInterval: 60_000,
  interfaces: undefined,
};

export const link: MdnsLink = { address: '10.0.0.1', netmask: '255.255.255.0' };

interface Sent {
  readonly at: number;
  readonly from: string;
  readonly packet: MdnsPacket;
  readonly to: Endpoint | undefined;
}

interface Attached {
  readonly link: MdnsLink;
  readonly events: MdnsNetworkEvents;
}

/** A network on which everybody hears what anybody sends, as bytes, a millisecond later. */
export class MdnsWorld {
  readonly clock = new SimulatedClock();
  /** All that was sent by agents. */
  readonly sent: Sent[] = [];
  readonly agents: SimulatedNode[] = [];
  /** What the port can't be bound with, while set. */
  refuses: Error | undefined;
  readonly #attached = new Set<Attached>();

  node(number: number, init: Partial<MdnsSettings> = {}, clusterId = 'shop', name = `n${number}`): SimulatedNode {
    const node = new SimulatedNode(this, number, { ...settings, ...init }, clusterId, name);
    this.agents.push(node);
    return node;
  }

  attach(attached: Attached): () => void {
    this.#attached.add(attached);
    return () => this.#attached.delete(attached);
  }

  send(from: Endpoint, packet: MdnsPacket, to?: Endpoint): void {
    this.sent.push({ at: this.clock.now(), from: from.address, packet, to });
    if (to === undefined) this.say(from, encode(toWire(packet)));
  }

  /** Bytes to the group, from anybody. */
  say(from: Endpoint, bytes: Uint8Array): void {
    this.clock.setTimeout(() => {
      for (const { link, events } of [...this.#attached]) {
        if (!events.admits(link, bytes.length, from)) continue;
        const packet = decoded(bytes);
        if (packet === undefined) events.malformed(from);
        else events.received(link, packet, from);
      }
    }, 1);
  }

  close(): void {
    for (const agent of this.agents) agent.close();
  }
}

function decoded(bytes: Uint8Array): MdnsPacket | undefined {
  try {
    return fromWire(decode(Buffer.from(bytes)));
  } catch {
    return undefined;
  }
}

/** An agent with a link of its own to the world. */
export class SimulatedNode {
  readonly ctx: TestContext;
  readonly self: Advertised;
  readonly endpoint: Endpoint;
  readonly values: string[][] = [];
  readonly #agent: MdnsAgent;

  constructor(world: MdnsWorld, number: number, init: MdnsSettings, clusterId: string, name: string) {
    const link: MdnsLink = { address: `10.0.0.${number}`, netmask: '255.255.255.0' };
    this.endpoint = { address: link.address, port: 5_353 };
    this.ctx = testContext({ name, clusterId, clock: world.clock, seed: number });
    this.self = {
      name,
      clusterId,
      incarnation: number,
      address: { protocol: 'tcp', host: link.address, port: 4_000 + number },
    };
    this.#agent = new MdnsAgent(init, this.ctx, (_, events) => {
      let detach = (): void => {};
      return {
        refresh: async () => {
          if (world.refuses !== undefined) throw world.refuses;
          detach();
          detach = world.attach({ link, events });
          return [link];
        },
        send: async (_link, packet, to) => world.send(this.endpoint, packet, to),
        close: () => detach(),
      };
    });
  }

  async watch(): Promise<void> {
    const latest = new Latest<readonly Address[]>(this.ctx.signal);
    this.#agent.addWatch(latest);
    void (async () => {
      for await (const value of latest) this.values.push(value.map(({ host, port }) => `${host}:${port}`));
    })();
    await this.#agent.opened();
  }

  async advertise(): Promise<void> {
    await this.#agent.opened();
    this.#agent.advertise(this.self);
  }

  withdraw(): Promise<void> {
    return this.#agent.withdraw();
  }

  /** The last value. */
  get sees(): readonly string[] {
    return this.values.at(-1) ?? [];
  }

  close(): void {
    this.ctx.abort();
    this.#agent.close();
  }
}
