import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { type Answer, decode, encode, type Packet } from 'dns-packet';

export type Via = 'udp' | 'tcp';

export interface Query {
  readonly id: number;
  readonly name: string;
  readonly type: string;
  readonly packet: Packet;
  readonly via: Via;
  /** Sends bytes from the port that was asked. */
  readonly reply: (message: Uint8Array) => void;
  /** Where to, for those who answer from elsewhere. */
  readonly port: number;
}

const [authoritative, truncation] = [1 << 10, 1 << 9];

/** The response to `query`. */
export function responseTo(
  query: Pick<Query, 'id' | 'name' | 'type'>,
  content: Partial<Packet> & { readonly code?: number; readonly truncated?: boolean } = {},
): Buffer {
  const { code = 0, truncated = false, ...packet } = content;
  return encode({
    type: 'response',
    id: query.id,
    flags: authoritative | (truncated ? truncation : 0) | code,
    questions: [{ type: query.type as 'A', name: query.name }],
    ...packet,
  });
}

/** A name server on loopback that answers from `records`, or as its handler says. */
export class FakeNameServer {
  readonly #udp: DatagramSocket;
  readonly #tcp: Server;
  readonly queries: Query[] = [];
  records: readonly Answer[] = [];
  /** Response code for all, or by type. */
  code: number | Readonly<Record<string, number>> = 0;
  handler: (query: Query) => void = query => query.reply(this.answer(query));

  private constructor(udp: DatagramSocket, tcp: Server) {
    this.#udp = udp;
    this.#tcp = tcp;
    udp.on('message', (bytes, { port }) => {
      this.#take(bytes, 'udp', port, message => udp.send(message, port, '127.0.0.1'));
    });
    tcp.on('connection', socket => {
      socket.on('error', () => {});
      socket.on('data', bytes => {
        this.#take(bytes.subarray(2), 'tcp', 0, message => {
          const length = Buffer.alloc(2);
          length.writeUInt16BE(message.length);
          socket.write(Buffer.concat([length, message]));
        });
      });
    });
  }

  static async start(): Promise<FakeNameServer> {
    for (;;) {
      const tcp = createServer().listen(0, '127.0.0.1');
      await once(tcp, 'listening');
      const udp = createSocket('udp4');
      udp.bind((tcp.address() as AddressInfo).port, '127.0.0.1');
      const bound = await once(udp, 'listening').then(
        () => true,
        () => false,
      );
      if (bound) return new FakeNameServer(udp, tcp);
      tcp.close();
    }
  }

  get port(): number {
    return this.#udp.address().port;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get servers(): readonly string[] {
    return [this.address];
  }

  /** The answer that `records` and `code` give. */
  answer(query: Query): Buffer {
    const code = typeof this.code === 'number' ? this.code : (this.code[query.type] ?? 0);
    const known = this.records.some(record => record.name === query.name);
    if (code !== 0 || !known) return responseTo(query, { code: code === 0 ? 3 : code });
    const answers = this.records.filter(record => record.name === query.name && record.type === query.type);
    return responseTo(query, { answers });
  }

  stop(): void {
    this.#udp.close();
    this.#tcp.close();
  }

  #take(bytes: Buffer, via: Via, port: number, reply: (message: Uint8Array) => void): void {
    const packet = decode(bytes);
    const question = packet.questions?.[0];
    if (question === undefined) return;
    const query = { id: packet.id ?? 0, name: question.name, type: question.type, packet, via, reply, port };
    this.queries.push(query);
    this.handler(query);
  }
}
