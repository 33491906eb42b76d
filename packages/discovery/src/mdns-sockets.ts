import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import type { DecodedPacket } from 'dns-packet';
import multicastDns, { type MulticastDNS, type QueryOutgoingPacket, type ResponseOutgoingPacket } from 'multicast-dns';
import { GOSSIP_RECEIVE_BUFFER_BYTES, MDNS_ADDRESS } from './defaults.js';
import { type MdnsLink, machineLinks } from './mdns-link.js';
import { type Endpoint, fromWire, type MdnsPacket, toWire } from './mdns-record.js';

/** The wire as {@link MdnsAgent} sees it; a fake of it stands in for the network in tests. */
export interface MdnsNetwork {
  /** Looks at the machine's links, opens what is new and closes what is gone; rejects when the port can't be bound. */
  refresh(): Promise<readonly MdnsLink[]>;
  /** Sends to the group, or to one; resolves when the packet has left or failed. */
  send(link: string, packet: MdnsPacket, to: Endpoint | undefined): Promise<void>;
  close(): void;
}

export interface MdnsNetworkEvents {
  /** Whether a datagram may be decoded; it is dropped otherwise. */
  readonly admits: (link: MdnsLink, bytes: number, from: Endpoint) => boolean;
  readonly received: (link: MdnsLink, packet: MdnsPacket, from: Endpoint) => void;
  /** A datagram that is no DNS packet, or none that mDNS knows. */
  readonly malformed: (from: Endpoint) => void;
  /** A link failed; the others go on. Told once until it works again. */
  readonly linkFailed: (address: string, error: Error) => void;
}

export interface MdnsSocketsInit {
  readonly port: number;
  readonly interfaces: readonly string[] | undefined;
  /** Which of the machine's links to use. */
  readonly uses: (link: MdnsLink) => boolean;
}

interface Opened {
  readonly link: MdnsLink;
  readonly mdns: MulticastDNS;
}

/** One socket a link: on which interface a multicast goes out is a property of the socket. */
export class MdnsSockets implements MdnsNetwork {
  readonly #init: MdnsSocketsInit;
  readonly #events: MdnsNetworkEvents;
  readonly #opened = new Map<string, Opened>();
  readonly #troubled = new Set<string>();
  #closed = false;

  constructor(init: MdnsSocketsInit, events: MdnsNetworkEvents) {
    this.#init = init;
    this.#events = events;
  }

  async refresh(): Promise<readonly MdnsLink[]> {
    const present = machineLinks(this.#init.interfaces).filter(this.#init.uses);
    for (const [address, { link, mdns }] of this.#opened) {
      if (present.some(one => one.address === address && one.netmask === link.netmask)) continue;
      this.#opened.delete(address);
      mdns.destroy();
    }
    for (const link of present) {
      if (this.#closed || this.#opened.has(link.address)) continue;
      const mdns = await this.#open(link);
      if (mdns === undefined) continue;
      if (this.#closed) mdns.destroy();
      else this.#opened.set(link.address, { link, mdns });
    }
    return [...this.#opened.values()].map(({ link }) => link);
  }

  send(link: string, packet: MdnsPacket, to: Endpoint | undefined): Promise<void> {
    const opened = this.#opened.get(link);
    if (opened === undefined) return Promise.resolve();
    return new Promise(resolve => {
      const sent = (error: Error | null | undefined): void => {
        if (error === null || error === undefined) this.#troubled.delete(link);
        else this.#trouble(link, error);
        resolve();
      };
      const { mdns } = opened;
      const group = { address: MDNS_ADDRESS, port: this.#init.port };
      try {
        if (packet.type === 'query') mdns.query(toWire(packet) as QueryOutgoingPacket, to ?? group, sent);
        else mdns.respond(toWire(packet) as ResponseOutgoingPacket, to ?? group, sent);
      } catch (error) {
        sent(error as Error);
      }
    });
  }

  close(): void {
    this.#closed = true;
    for (const { mdns } of this.#opened.values()) mdns.destroy();
    this.#opened.clear();
  }

  /** @returns undefined when the link carries no multicast */
  async #open(link: MdnsLink): Promise<MulticastDNS | undefined> {
    const socket = createSocket({ type: 'udp4', reuseAddr: true, recvBufferSize: GOSSIP_RECEIVE_BUFFER_BYTES });
    // Bound to the link's own address, Linux would deliver no multicast. The library's own handling of groups keeps the
    // process alive by a timer, and tells nobody which link failed.
    const mdns = multicastDns({ socket, port: this.#init.port, bind: '0.0.0.0', multicast: false });
    this.#listen(mdns, socket, link);
    await new Promise<void>((resolve, reject) => {
      mdns.once('ready', resolve);
      mdns.once('error', reject);
    }).catch(error => {
      mdns.on('error', () => {});
      mdns.destroy();
      throw error;
    });
    mdns.on('error', error => {
      this.#opened.delete(link.address);
      mdns.destroy();
      this.#trouble(link.address, error);
    });
    try {
      socket.addMembership(MDNS_ADDRESS, link.address);
      socket.setMulticastInterface(link.address);
      socket.setMulticastTTL(255);
      socket.setMulticastLoopback(true);
      socket.unref();
      return mdns;
    } catch (error) {
      mdns.destroy();
      this.#trouble(link.address, error as Error);
      return undefined;
    }
  }

  #listen(mdns: MulticastDNS, socket: Socket, link: MdnsLink): void {
    // The library would decode whatever comes.
    const decode = socket.listeners('message') as ((bytes: Buffer, from: RemoteInfo) => void)[];
    let decoding: RemoteInfo | undefined;
    socket.removeAllListeners('message');
    socket.on('message', (bytes, from) => {
      if (this.#closed || !this.#events.admits(link, bytes.length, from)) return;
      decoding = from;
      try {
        for (const each of decode) each(bytes, from);
      } finally {
        decoding = undefined;
      }
    });
    mdns.on('packet', (packet: DecodedPacket, from: RemoteInfo) => {
      const read = fromWire(packet);
      if (read === undefined) this.#events.malformed(from);
      else this.#events.received(link, read, from);
    });
    mdns.on('warning', (error: Error) => {
      if (decoding === undefined) this.#trouble(link.address, error);
      else this.#events.malformed(decoding);
    });
  }

  #trouble(address: string, error: Error): void {
    if (this.#closed || this.#troubled.has(address)) return;
    this.#troubled.add(address);
    this.#events.linkFailed(address, error);
  }
}
