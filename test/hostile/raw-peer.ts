import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';
import {
  beginHandshake,
  type Codec,
  type ConnectionSecurity,
  createCodec,
  type HandshakeEffect,
  stepHandshake,
} from '@foundation-ts/transport';
import { Pid, type TlsOptions } from 'foundation-ts';
import { until } from '../support/until.js';
import { SECRET } from './secret.js';

export const frame = {
  introduce: 1,
  bind: 2,
  ready: 4,
  refuse: 5,
  batch: 6,
  fragment: 7,
  credit: 8,
  goodbye: 9,
  ping: 13,
  pong: 14,
} as const;

/** The codec of a peer that knows pids. */
export const codec: Codec = createCodec({
  extensions: [
    {
      type: 1,
      class: Pid,
      encode: (value: unknown) => [(value as Pid).node, (value as Pid).incarnation, (value as Pid).id],
      decode: (plain: unknown) => new Pid(...(plain as [string, number, number])),
    },
  ],
});

export interface RawPeerInit {
  readonly port: number;
  /** Default TCP. */
  readonly carrier?: Carrier;
  readonly name: string;
  readonly incarnation: number;
  readonly secret?: string;
  /** Default `['control']`, on which everything travels then. */
  readonly channel?: string;
  /** Takes what the victim sends from the socket; default true. */
  readonly reads?: boolean;
  readonly metadata?: unknown;
}

/** How a victim is reached: over TCP, unless it says otherwise. */
export interface Carrier {
  readonly ws?: boolean;
  readonly tls?: TlsOptions;
}

const UPGRADE = [
  'GET /foundation HTTP/1.1',
  'Host: victim',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
];
const END_OF_HEAD = '\r\n\r\n';

/** The head of a request, with further lines. */
export function requestHead(lines: readonly string[] = UPGRADE, ...more: readonly string[]): string {
  return `${[...lines, ...more].join('\r\n')}${END_OF_HEAD}`;
}
export const upgradeLines: readonly string[] = UPGRADE;

/** The first bytes of a WebSocket frame from a client; masked with zeros, which leaves its content as it is. */
export function wsHeader(length: number, first = 0x82): Buffer {
  const size = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const header = Buffer.alloc(2 + size + 4);
  header[0] = first;
  header[1] = 0x80 | (size === 0 ? length : size === 2 ? 126 : 127);
  if (size === 2) header.writeUInt16BE(length, 2);
  else if (size === 8) header.writeBigUInt64BE(BigInt(length), 2);
  return header;
}

/** A socket on which nothing has been proven; what it writes are frames of its carrier. */
export class RawSocket {
  readonly socket: Socket;
  closed = false;
  readonly #carrier: Carrier;
  readonly #onFrame: ((bytes: Buffer) => void)[] = [];
  #rest: Buffer = Buffer.alloc(0);
  /** The head of the answer to the request to become a WebSocket has come. */
  #upgraded: boolean;

  constructor(port: number, carrier: Carrier = {}) {
    this.#carrier = carrier;
    this.#upgraded = carrier.ws !== true;
    this.socket = open(port, carrier.tls);
    this.socket.setNoDelay(true);
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
    });
    this.socket.on('data', chunk => this.#read(chunk as Buffer));
  }

  /** What TLS gives a handshake. */
  get security(): ConnectionSecurity | undefined {
    if (!(this.socket instanceof TLSSocket)) return undefined;
    const exporter = this.socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0));
    return { encrypted: true, exporter, peerIdentity: ['victim'], peerRoles: [] };
  }

  async opened(): Promise<this> {
    const { socket } = this;
    // The victim may have closed it already.
    const connected = once(socket, this.#carrier.tls === undefined ? 'connect' : 'secureConnect');
    await Promise.race([connected, once(socket, 'close')]).catch(() => {});
    if (this.#upgraded || this.closed) return this;
    socket.write(requestHead());
    await until(
      () => this.#upgraded || this.closed,
      () => 'the answer to the request to become a WebSocket',
    );
    return this;
  }

  onFrame(listener: (bytes: Buffer) => void): void {
    this.#onFrame[0] = listener;
  }

  #read(chunk: Buffer): void {
    let data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    if (!this.#upgraded) {
      const end = data.indexOf(END_OF_HEAD);
      this.#upgraded = end >= 0;
      data = end < 0 ? data : data.subarray(end + END_OF_HEAD.length);
    }
    while (this.#upgraded) {
      const found = this.#carrier.ws === true ? wsFrame(data) : tcpFrame(data);
      if (found === undefined) break;
      if (found.bytes !== undefined) this.#onFrame[0]?.(found.bytes);
      else if (found.farewell === true) this.socket.end(wsHeader(0, 0x88));
      data = data.subarray(found.length);
    }
    this.#rest = data;
  }

  /** What stands in front of a frame of that length. */
  header(length: number): Buffer {
    if (this.#carrier.ws === true) return wsHeader(length);
    const header = Buffer.allocUnsafe(4);
    header.writeUInt32BE(length, 0);
    return header;
  }

  /** A frame, whole. */
  write(bytes: Uint8Array): void {
    if (!this.closed) this.socket.write(Buffer.concat([this.header(bytes.length), bytes]));
  }

  /** Several frames at once. */
  writeAll(frames: readonly Uint8Array[]): void {
    this.writeRaw(Buffer.concat(frames.flatMap(bytes => [this.header(bytes.length), bytes])));
  }

  writeRaw(bytes: Uint8Array): void {
    if (!this.closed) this.socket.write(bytes);
  }

  async end(): Promise<void> {
    if (this.closed) return;
    this.socket.destroy();
    await once(this.socket, 'close');
  }
}

function open(port: number, tls: TlsOptions | undefined): Socket {
  if (tls === undefined) return connect(port, '127.0.0.1');
  const { cert, key } = tls as { readonly cert: string; readonly key: string };
  return connectTls({ port, host: '127.0.0.1', cert, key, rejectUnauthorized: false });
}

interface Found {
  /** With what stands in front. */
  readonly length: number;
  /** Undefined: nothing for the protocol above. */
  readonly bytes: Buffer | undefined;
  /** It closes a WebSocket. */
  readonly farewell?: boolean;
}

function tcpFrame(data: Buffer): Found | undefined {
  if (data.length < 4) return undefined;
  const length = 4 + data.readUInt32BE(0);
  return data.length < length ? undefined : { length, bytes: data.subarray(4, length) };
}

function wsFrame(data: Buffer): Found | undefined {
  if (data.length < 2) return undefined;
  const short = (data[1] as number) & 0x7f;
  const at = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (data.length < at) return undefined;
  const size = short < 126 ? short : short === 126 ? data.readUInt16BE(2) : Number(data.readBigUInt64BE(2));
  if (data.length < at + size) return undefined;
  const bytes = data[0] === 0x82 ? data.subarray(at, at + size) : undefined;
  return { length: at + size, bytes, farewell: data[0] === 0x88 };
}

/** A frame after the handshake. */
export function frameOf(type: number, flags: number, sequence: number, body: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(8 + body.length);
  bytes.set([1, type, flags, 0]);
  bytes.writeUInt32BE(sequence >>> 0, 4);
  bytes.set(body, 8);
  return bytes;
}

export function batchBody(messages: readonly Uint8Array[], claimed: number = messages.length): Buffer {
  const header = Buffer.alloc(5);
  header[0] = 0xdd;
  header.writeUInt32BE(claimed, 1);
  return Buffer.concat([header, ...messages]);
}

export function fragmentBody(id: number, total: number, piece: Uint8Array): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(id, 0);
  header.writeUInt32BE(total, 4);
  return Buffer.concat([header, piece]);
}

/** Numbers of calls that ask whether somebody still answers. */
const PROBES = 1_000_000;

/** A peer that has proven itself and speaks the protocol frame by frame, as it likes. */
export class RawPeer {
  readonly link: RawSocket;
  readonly name: string;
  readonly incarnation: number;
  sequence = 0;
  /** Bytes that the victim lets us send. */
  credit = 256 * 1024;
  readonly received: unknown[][] = [];
  /** Calls and spawns of this peer that succeeded, but for what {@link answers} asks. */
  successes = 0;
  #owed = 0;
  #wake: (() => void) | undefined;

  private constructor(link: RawSocket, init: RawPeerInit) {
    this.link = link;
    this.name = init.name;
    this.incarnation = init.incarnation;
  }

  get open(): boolean {
    return !this.link.closed;
  }

  /** @throws (rejects) Error when the victim does not let it in */
  static async open(init: RawPeerInit): Promise<RawPeer> {
    const { name, incarnation, channel = 'control' } = init;
    const link = await new RawSocket(init.port, init.carrier).opened();
    const peer = new RawPeer(link, init);
    await new Promise<void>((resolve, reject) => {
      link.socket.once('close', () => reject(new Error('the victim closed')));
      const begun = beginHandshake({
        role: 'dialler',
        clusterId: 'hostile',
        name,
        incarnation,
        secret: new TextEncoder().encode(init.secret ?? SECRET),
        nonce: randomBytes(32),
        security: link.security,
      });
      let state = begun[0];
      let stands = false;
      const apply = (effects: readonly HandshakeEffect[]): void => {
        for (const effect of effects) {
          if (effect.type === 'send') link.write(effect.frame);
          else if (effect.type === 'failed') reject(effect.error);
          else {
            const said = [
              randomBytes(16),
              null,
              init.metadata ?? { roles: [], zone: null, metadata: {} },
              [[channel, 1, 256 * 1024, 0]],
              65_536,
              64 * 1024 * 1024,
              [],
              1,
            ];
            peer.send(frame.introduce, 0, codec.encode(said));
          }
        }
      };
      link.onFrame(bytes => {
        if (state.phase !== 'over') {
          const [next, effects] = stepHandshake(state, { type: 'frame', bytes });
          state = next;
          apply(effects);
        } else if (stands) {
          peer.#onFrame(bytes);
        } else if (bytes[1] === frame.introduce) {
          stands = true;
          peer.send(frame.ready, 0, new Uint8Array(0));
          resolve();
        } else {
          const [code, message] = codec.decode(Buffer.from(bytes.subarray(8))) as string[];
          reject(new Error(`refused: ${code}: ${message}`));
        }
      });
      apply(begun[1]);
    }).catch(async error => {
      await link.end();
      throw error;
    });
    if (init.reads === false) link.socket.pause();
    return peer;
  }

  #onFrame(bytes: Buffer): void {
    const type = bytes[1] as number;
    if (type === frame.credit) {
      this.credit += bytes.readUInt32BE(8);
      this.#wake?.();
    } else if (type === frame.ping) {
      this.send(frame.pong, 0, bytes.subarray(8, 12));
    } else if (type === frame.batch || type === frame.fragment) {
      this.#owed += bytes.length;
      if (this.#owed > 65_536) {
        const body = Buffer.alloc(4);
        body.writeUInt32BE(this.#owed);
        this.#owed = 0;
        this.send(frame.credit, 0, body);
      }
      if (type === frame.batch && this.received.length < 10_000) {
        try {
          const copy = Buffer.from(bytes);
          for (const message of codec.decodeBatch(copy, 13, copy.readUInt32BE(9)) as unknown[][]) {
            if (message[0] === 30) void this.batch([[31]]);
            else if (message[0] === 4 || message[0] === 5) this.received.push(message);
            if (message[0] === 4 && (message[1] as number) < PROBES) this.successes++;
          }
        } catch {
          // A ref among them, for instance: nobody here asks for it.
        }
        this.#wake?.();
      }
    }
  }

  /** A frame with the number that is due. */
  send(type: number, flags: number, body: Uint8Array): void {
    this.link.write(frameOf(type, flags, this.sequence++, body));
  }

  /** Messages in one batch, once the victim has room for it. */
  async batch(messages: readonly unknown[]): Promise<void> {
    const body = batchBody(messages.map(message => codec.encode(message)));
    await this.room(body.length + 8);
    this.send(frame.batch, 0, body);
  }

  /** Until the victim lets us send so many bytes, or is gone. Takes them from the credit. */
  async room(bytes: number): Promise<void> {
    while (this.credit < bytes && this.open) await this.#news();
    this.credit -= bytes;
    if (this.link.socket.writableLength > 1024 * 1024 && this.open) {
      await Promise.race([once(this.link.socket, 'drain'), once(this.link.socket, 'close')]).catch(() => {});
    }
  }

  #news(): Promise<void> {
    return new Promise(resolve => {
      const done = (): void => {
        clearTimeout(timer);
        this.#wake = undefined;
        this.link.socket.off('close', done);
        resolve();
      };
      const timer = setTimeout(done, 1_000);
      this.#wake = done;
      this.link.socket.once('close', done);
    });
  }

  /** Whether the victim still answers this peer. */
  async answers(within = 5_000): Promise<boolean> {
    const id = PROBES + this.sequence;
    await this.batch([[2, id, '$echo', 'echo', 'still there?', within]]);
    const end = performance.now() + within;
    while (this.open && performance.now() < end) {
      const at = this.received.findIndex(message => Array.isArray(message) && message[0] === 4 && message[1] === id);
      if (at >= 0) {
        this.received.length = 0;
        return true;
      }
      await this.#news();
    }
    return false;
  }

  /** Until the victim has closed the connection. */
  async ended(within = 10_000): Promise<void> {
    await until(
      () => this.link.closed,
      () => `the victim to close '${this.name}'`,
      within,
    );
  }
}
