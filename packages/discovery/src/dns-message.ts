import { SocketAddress } from 'node:net';
import { DNS_MAX_JUMPS, DNS_UDP_BYTES, MAX_ADDRESSES } from './defaults.js';

/** The types of records that are asked for. */
export type DnsType = 'A' | 'AAAA' | 'SRV';

/** What a name server is asked. */
export interface DnsQuestion {
  /** In lower case, without the dot at the end. */
  readonly name: string;
  readonly type: DnsType;
}

export interface DnsAddressRecord {
  readonly type: 'A' | 'AAAA';
  readonly name: string;
  /** Seconds. */
  readonly ttl: number;
  readonly address: string;
}

export interface DnsAliasRecord {
  readonly type: 'CNAME';
  readonly name: string;
  readonly ttl: number;
  readonly target: string;
}

export interface DnsServiceRecord {
  readonly type: 'SRV';
  readonly name: string;
  readonly ttl: number;
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  /** Empty: decidedly none (RFC 2782). */
  readonly target: string;
}

export type DnsRecord = DnsAddressRecord | DnsAliasRecord | DnsServiceRecord;

/** What is of use in an answer. */
export interface DnsAnswer {
  /** 0: no error, 3: no such name, others: {@link responseCode}. */
  readonly code: number;
  /** It did not fit, and nothing of it was read: ask over TCP. */
  readonly truncated: boolean;
  /** It says nothing but who else might know. */
  readonly referral: boolean;
  readonly answers: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
  /** For how long it holds that there is nothing, seconds. */
  readonly negativeTtl: number | undefined;
}

/** Why a message is no answer to the question. */
export type DnsRefusal = 'malformed' | 'wrong-id' | 'wrong-question';

const types = { A: 1, NS: 2, CNAME: 5, SOA: 6, AAAA: 28, SRV: 33, OPT: 41 } as const;
const internet = 1;
const codes = ['no error', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

/** `'SERVFAIL'`. */
export const responseCode = (code: number): string => codes[code] ?? `response code ${code}`;

/** A query for a resolver (RFC 1035), with the size of answers that we take (RFC 6891) unless `plain`. */
export function encodeQuery({ name, type }: DnsQuestion, id: number, plain = false): Buffer {
  const labels = name.split('.').flatMap(label => [Buffer.of(label.length), Buffer.from(label, 'latin1')]);
  const [header, tail, options] = [Buffer.alloc(12), Buffer.alloc(5), Buffer.alloc(11)];
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(0x0100, 2); // recursion desired
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(plain ? 0 : 1, 10);
  tail.writeUInt16BE(types[type], 1);
  tail.writeUInt16BE(internet, 3);
  options.writeUInt16BE(types.OPT, 1);
  options.writeUInt16BE(DNS_UDP_BYTES, 3);
  return Buffer.concat(plain ? [header, ...labels, tail] : [header, ...labels, tail, options]);
}

/** Reads a message from anybody. Never throws, and takes time in proportion to its length whatever its pointers say. */
export function readAnswer(message: Uint8Array, question: DnsQuestion, id: number): DnsAnswer | DnsRefusal {
  try {
    return new Reader(message).answer(question, id);
  } catch (error) {
    if (error instanceof Malformed) return 'malformed';
    throw error;
  }
}

class Malformed extends Error {}

interface Head {
  readonly name: string | undefined;
  readonly type: number;
  readonly isInternet: boolean;
  readonly ttl: number;
  readonly end: number;
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  #taken = 0;

  constructor(message: Uint8Array) {
    this.#bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  }

  answer(question: DnsQuestion, expectedId: number): DnsAnswer | DnsRefusal {
    const id = this.#uint16();
    const flags = this.#uint16();
    const [questions, answers, authorities, additionals] = [
      this.#uint16(),
      this.#uint16(),
      this.#uint16(),
      this.#uint16(),
    ];
    if ((flags & 0xf800) !== 0x8000) return 'malformed'; // no response, or not to a query
    if (id !== expectedId) return 'wrong-id';
    const code = flags & 0xf;
    // some servers that don't understand a query repeat nothing of it
    if (questions === 0 && code !== 0 && code !== 3) return empty(code);
    if (questions !== 1) return 'wrong-question';
    const [name, type, classOf] = [this.#name(), this.#uint16(), this.#uint16()];
    if (name !== question.name || type !== types[question.type] || classOf !== internet) return 'wrong-question';
    if ((flags & 0x0200) !== 0) return { ...empty(code), truncated: true };
    const found = this.#records(answers);
    const authority = this.#authority(authorities);
    return {
      code,
      truncated: false,
      answers: found,
      additionals: this.#records(additionals),
      negativeTtl: authority.negativeTtl,
      referral: found.length === 0 && code === 0 && authority.servers && authority.negativeTtl === undefined,
    };
  }

  #records(count: number): readonly DnsRecord[] {
    const records: DnsRecord[] = [];
    for (let index = 0; index < count; index++) {
      const head = this.#head();
      const record = head.isInternet && this.#taken < 2 * MAX_ADDRESSES ? this.#record(head) : undefined;
      if (record !== undefined) {
        records.push(record);
        this.#taken++;
      }
      this.#at = head.end;
    }
    return records;
  }

  #authority(count: number): { readonly negativeTtl: number | undefined; readonly servers: boolean } {
    let negativeTtl: number | undefined;
    let servers = false;
    for (let index = 0; index < count; index++) {
      const head = this.#head();
      if (head.type === types.NS) servers = true;
      if (head.type === types.SOA) {
        if (head.end - this.#at < 22) throw new Malformed();
        this.#at = head.end - 4; // the last field, RFC 2308
        negativeTtl = Math.min(head.ttl, seconds(this.#uint32()));
      }
      this.#at = head.end;
    }
    return { negativeTtl, servers };
  }

  #head(): Head {
    const start = this.#at;
    this.#skipName();
    const type = this.#uint16();
    const isInternet = this.#uint16() === internet;
    const ttl = seconds(this.#uint32());
    const length = this.#uint16();
    const [data, end] = [this.#at, this.#at + length];
    if (end > this.#bytes.length) throw new Malformed();
    const wanted = type === types.A || type === types.AAAA || type === types.CNAME || type === types.SRV;
    let name: string | undefined;
    if (wanted && isInternet) {
      this.#at = start;
      name = this.#name();
      this.#at = data;
    }
    return { name, type, isInternet, ttl, end };
  }

  #record({ name, type, ttl, end }: Head): DnsRecord | undefined {
    if (name === undefined) return undefined;
    const length = end - this.#at;
    if (type === types.A) {
      if (length !== 4) throw new Malformed();
      return { type: 'A', name, ttl, address: this.#bytes.subarray(this.#at, end).join('.') };
    }
    if (type === types.AAAA) {
      if (length !== 16) throw new Malformed();
      return { type: 'AAAA', name, ttl, address: this.#ipv6() };
    }
    if (type === types.SRV) {
      const [priority, weight, port] = [this.#uint16(), this.#uint16(), this.#uint16()];
      const target = this.#nameUntil(end);
      return target === undefined ? undefined : { type: 'SRV', name, ttl, priority, weight, port, target };
    }
    const target = this.#nameUntil(end);
    return target === undefined ? undefined : { type: 'CNAME', name, ttl, target };
  }

  #ipv6(): string {
    const groups = Array.from({ length: 8 }, () => this.#uint16().toString(16));
    return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
  }

  #nameUntil(end: number): string | undefined {
    const name = this.#name();
    if (this.#at !== end) throw new Malformed();
    return name;
  }

  /** A name in lower case; undefined where it is nothing that a host is called. */
  #name(): string | undefined {
    const labels: string[] = [];
    let [at, after, jumps, total] = [this.#at, -1, 0, 0];
    for (;;) {
      const length = this.#byte(at);
      if (length === 0) break;
      if (length < 64) {
        total += length + 1;
        if (total > 254) throw new Malformed();
        this.#byte(at + length);
        labels.push(this.#bytes.toString('latin1', at + 1, at + 1 + length).toLowerCase());
        at += length + 1;
      } else {
        const target = ((length & 0x3f) << 8) | this.#byte(at + 1);
        if (length < 0xc0 || target >= at || ++jumps > DNS_MAX_JUMPS) throw new Malformed();
        if (after === -1) after = at + 2;
        at = target;
      }
    }
    this.#at = after === -1 ? at + 1 : after;
    return labels.every(isPlain) ? labels.join('.') : undefined;
  }

  #skipName(): void {
    for (;;) {
      const length = this.#byte(this.#at);
      if (length >= 64 && length < 0xc0) throw new Malformed();
      this.#at += length >= 0xc0 ? 2 : length + 1;
      if (length === 0 || length >= 0xc0) return;
    }
  }

  #byte(at: number): number {
    const byte = this.#bytes[at];
    if (byte === undefined) throw new Malformed();
    return byte;
  }

  #uint16(): number {
    const value = (this.#byte(this.#at) << 8) | this.#byte(this.#at + 1);
    this.#at += 2;
    return value;
  }

  #uint32(): number {
    return this.#uint16() * 65_536 + this.#uint16();
  }
}

const empty = (code: number): DnsAnswer => ({
  code,
  truncated: false,
  referral: false,
  answers: [],
  additionals: [],
  negativeTtl: undefined,
});

/** A time to live of 2³¹ or more means none (RFC 2181). */
const seconds = (ttl: number): number => (ttl >= 2 ** 31 ? 0 : ttl);

const isPlain = (label: string): boolean => /^[a-z0-9_-]+$/.test(label);
