import { SocketAddress } from 'node:net';
import { type Answer, decode, encode } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hostsOf, servicesOf } from '../src/dns-answer.js';
import { type DnsAnswer, type DnsQuestion, type DnsRefusal, encodeQuery, readAnswer } from '../src/dns-message.js';
import { responseTo } from './name-server.js';

const question: DnsQuestion = { name: 'shop.internal', type: 'A' };
const asked = { id: 7, ...question };

const read = (message: Uint8Array, given: DnsQuestion = question): DnsAnswer => {
  const answer = readAnswer(message, given, 7);
  if (typeof answer === 'string') throw new Error(answer);
  return answer;
};
const refused = (message: Uint8Array): DnsAnswer | DnsRefusal => readAnswer(message, question, 7);
const a = (name: string, data: string, ttl = 60): Answer => ({ type: 'A', name, data, ttl });

/** Header and question of a response with `answers` records that the caller appends. */
function head(answers: number): Buffer {
  const bytes = responseTo(asked);
  bytes.writeUInt16BE(answers, 6);
  return bytes;
}

function record(name: Uint8Array, type: number, data: Uint8Array): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([name, fixed, data]);
}

const pointer = (to: number): Buffer => Buffer.of(0xc0 | (to >> 8), to & 0xff);

describe('a DNS query', () => {
  test.each(['A', 'AAAA', 'SRV'] as const)('asks a resolver for %s records', type => {
    const packet = decode(encodeQuery({ name: '_a._tcp.shop-1.internal', type }, 0xbeef));
    expect(packet).toMatchObject({ id: 0xbeef, type: 'query', flag_rd: true, opcode: 'QUERY' });
    expect(packet.questions).toEqual([{ name: '_a._tcp.shop-1.internal', type, class: 'IN' }]);
    expect(packet.additionals).toMatchObject([{ type: 'OPT', udpPayloadSize: 1232 }]);
    expect(decode(encodeQuery({ name: 'a', type }, 1, true)).additionals).toEqual([]);
  });
});

describe('a DNS answer', () => {
  test('is read as another implementation wrote it', () => {
    const host = fc
      .array(fc.stringMatching(/^[a-z0-9_-]{1,20}$/), { minLength: 1, maxLength: 5 })
      .map(labels => labels.join('.'));
    const ttl = fc.nat({ max: 2 ** 31 - 1 });
    const any = fc.oneof(
      fc.record({ type: fc.constant('A'), name: host, ttl, data: fc.ipV4() }),
      fc.record({ type: fc.constant('AAAA'), name: host, ttl, data: fc.ipV6() }),
      fc.record({ type: fc.constant('CNAME'), name: host, ttl, data: host }),
      fc.record({
        type: fc.constant('SRV'),
        name: host,
        ttl,
        data: fc.record({ priority: fc.nat(65_535), weight: fc.nat(65_535), port: fc.nat(65_535), target: host }),
      }),
      fc.record({ type: fc.constant('TXT'), name: host, ttl, data: fc.constant('irrelevant') }),
    ) as fc.Arbitrary<Answer>;
    fc.assert(
      fc.property(fc.array(any, { maxLength: 30 }), fc.array(any, { maxLength: 10 }), (answers, additionals) => {
        const message = responseTo(asked, { answers, additionals });
        const expected = (records: readonly Answer[] | undefined): unknown[] =>
          (records ?? []).flatMap(one => {
            const { name, ttl: seconds, data } = one as { name: string; ttl: number; data: unknown };
            if (one.type === 'TXT') return [];
            if (one.type === 'SRV') return [{ type: 'SRV', name, ttl: seconds, ...(data as object) }];
            if (one.type === 'CNAME') return [{ type: 'CNAME', name, ttl: seconds, target: data }];
            const family = one.type === 'A' ? 'ipv4' : 'ipv6';
            // the same text for the same address
            const { address } = new SocketAddress({ address: data as string, family });
            return [{ type: one.type, name, ttl: seconds, address }];
          });
        const reread = decode(message);
        const answer = read(message);
        expect(answer.answers).toEqual(expected(reread.answers));
        expect(answer.additionals).toEqual(expected(reread.additionals));
      }),
    );
  });

  test('may be compressed, and in capitals', () => {
    const named = record(pointer(12), 1, Buffer.of(10, 0, 0, 1));
    const aliased = record(Buffer.from([3, ...Buffer.from('WWW'), ...pointer(12)]), 5, pointer(12));
    const message = Buffer.concat([head(2), named, aliased]);
    expect(read(message).answers).toEqual([
      { type: 'A', name: 'shop.internal', ttl: 0, address: '10.0.0.1' },
      { type: 'CNAME', name: 'www.shop.internal', ttl: 0, target: 'shop.internal' },
    ]);
  });

  test('is refused when it answers something else', () => {
    expect(refused(responseTo({ ...asked, id: 8 }))).toBe('wrong-id');
    expect(refused(responseTo({ ...asked, name: 'shop.example' }))).toBe('wrong-question');
    expect(refused(responseTo({ ...asked, type: 'AAAA' }))).toBe('wrong-question');
    expect(refused(responseTo(asked, { questions: [] }))).toBe('wrong-question');
    expect(refused(encodeQuery(question, 7))).toBe('malformed');
  });

  test('says that it was cut, in whatever state the rest is', () => {
    const message = responseTo(asked, { truncated: true, answers: [a('shop.internal', '10.0.0.1')] });
    expect(read(message.subarray(0, message.length - 3))).toMatchObject({ truncated: true, answers: [] });
  });

  test('holds for as long as its shortest record', () => {
    const answers = [
      { type: 'CNAME', name: 'shop.internal', ttl: 9, data: 'b' },
      a('b', '10.0.0.1', 20),
      a('b', '10.0.0.2', 5),
      a('stranger', '10.0.0.3', 1),
    ] as Answer[];
    expect(hostsOf(read(responseTo(asked, { answers })), 'shop.internal', 'A')).toEqual({
      found: ['10.0.0.1', '10.0.0.2'],
      ttl: 5_000,
    });
    const endless = read(responseTo(asked, { answers: [a('shop.internal', '10.0.0.1', 0xffff_ffff)] }));
    expect(hostsOf(endless, 'shop.internal', 'A').ttl).toBe(0);
  });

  test('that there is nothing holds as long as the authority says', () => {
    const data = { mname: 'ns.internal', rname: 'root.internal', minimum: 30 };
    const authorities = [{ type: 'SOA', name: 'internal', ttl: 60, data }] as Answer[];
    const none = read(responseTo(asked, { authorities, code: 3 }));
    expect(hostsOf(none, 'shop.internal', 'A')).toEqual({ found: [], ttl: 30_000 });
    expect(none.referral).toBe(false);
    const referral = responseTo(asked, { authorities: [{ type: 'NS', name: 'internal', data: 'ns.internal' }] });
    expect(read(referral).referral).toBe(true);
  });

  test('follows aliases, but not for ever', () => {
    const loop = [
      { type: 'CNAME', name: 'shop.internal', data: 'b' },
      { type: 'CNAME', name: 'b', data: 'shop.internal' },
      a('c', '10.0.0.1'),
    ] as Answer[];
    expect(hostsOf(read(responseTo(asked, { answers: loop })), 'shop.internal', 'A').found).toEqual([]);
  });

  test('orders services by priority, then weight, without those that are none', () => {
    const srv = (target: string, priority: number, weight: number, port = 1): Answer => ({
      type: 'SRV',
      name: 's',
      data: { target, priority, weight, port },
    });
    const answers = [srv('c', 2, 9), srv('b', 1, 1), srv('a', 1, 5), srv('.', 0, 0), srv('zero', 0, 0, 0)];
    const message = encode({ type: 'response', id: 7, questions: [{ type: 'SRV', name: 's' }], answers });
    const { found } = servicesOf(read(message, { type: 'SRV', name: 's' }), 's');
    expect(found.map(service => service.target)).toEqual(['a', 'b', 'c']);
  });

  test('names no host that is none', () => {
    const names = [
      [1, 0x2e],
      [1, 0x20],
      [2, 0xc3, 0xa4],
      [1, 0x00],
    ];
    const records = names.map(name => record(Buffer.from([...name, 0]), 1, Buffer.of(10, 0, 0, 1)));
    expect(read(Buffer.concat([head(records.length), ...records])).answers).toEqual([]);
  });
});

describe('a hostile DNS answer', () => {
  test.each([
    ['nothing', Buffer.alloc(0)],
    ['half a header', responseTo(asked).subarray(0, 11)],
    ['records that are not there', head(65_535)],
    ['a pointer to itself', Buffer.concat([head(1), record(pointer(head(1).length), 1, Buffer.of(1, 2, 3, 4))])],
    ['a pointer forward', Buffer.concat([head(1), record(pointer(500), 1, Buffer.of(1, 2, 3, 4)), Buffer.alloc(600)])],
    [
      'a name that leads back to its own beginning',
      Buffer.concat([head(1), record(Buffer.from([1, 97, ...pointer(head(1).length)]), 1, Buffer.of(1, 2, 3, 4))]),
    ],
    ['a label of a reserved kind', Buffer.concat([head(1), record(Buffer.of(0x80, 0), 1, Buffer.of(1, 2, 3, 4))])],
    ['an IPv4 address of three bytes', Buffer.concat([head(1), record(pointer(12), 1, Buffer.of(1, 2, 3))])],
    ['an IPv6 address of four', Buffer.concat([head(1), record(pointer(12), 28, Buffer.of(1, 2, 3, 4))])],
    ['a service cut short', Buffer.concat([head(1), record(pointer(12), 33, Buffer.of(0, 0, 0, 0))])],
    ['an alias longer than its record', Buffer.concat([head(1), record(pointer(12), 5, Buffer.of(3, 97, 97))])],
    [
      'a record longer than the message',
      Buffer.concat([head(1), record(pointer(12), 1, Buffer.alloc(300))]).subarray(0, 60),
    ],
  ])('with %s is malformed', (_, message) => {
    expect(refused(message)).toBe('malformed');
  });

  test('of any bytes throws nothing', () => {
    const valid = responseTo(asked, { answers: [a('shop.internal', '10.0.0.1'), a('b', '10.0.0.2')] });
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 8 }), changes => {
        const message = Buffer.from(valid);
        for (const [at, byte] of changes) message[at] = byte;
        readAnswer(message, question, 7);
      }),
      { numRuns: 2_000 },
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), tail => void refused(Buffer.concat([head(9), tail]))));
  });

  test('of 64 KiB of pointers is refused in no time', () => {
    const start = head(0);
    const chain: Buffer[] = [Buffer.of(0)];
    const at = start.length + 11;
    for (let offset = at; offset < 16_000; offset += 2) chain.push(pointer(offset === at ? at : offset - 1));
    const data = Buffer.concat(chain);
    const name = pointer(at + data.length - 2);
    const many = Array.from({ length: 3_000 }, () => record(name, 1, Buffer.of(10, 0, 0, 1)));
    const message = Buffer.concat([start, record(Buffer.of(0), 65_280, data), ...many]);
    message.writeUInt16BE(many.length + 1, 6);
    const times = [1, 2, 3].map(() => {
      const began = performance.now();
      expect(refused(message)).toBe('malformed');
      return performance.now() - began;
    });
    expect(Math.min(...times)).toBeLessThan(50);
  });

  test('of 4,000 records with the longest chains that are followed takes little time', () => {
    const start = head(0);
    const at = start.length + 11;
    const chain: Buffer[] = [Buffer.of(1, 97, 0, 0)];
    for (let jump = 0; jump < 60; jump++) chain.push(pointer(jump === 0 ? at : at + 4 + 2 * (jump - 1)));
    const data = Buffer.concat(chain);
    const many = Array.from({ length: 4_000 }, () => record(pointer(at + data.length - 2), 1, Buffer.of(10, 0, 0, 1)));
    const message = Buffer.concat([start, record(Buffer.of(0), 65_280, data), ...many]);
    message.writeUInt16BE(many.length + 1, 6);
    const times = [1, 2, 3].map(() => {
      const began = performance.now();
      expect(read(message).answers).toHaveLength(4_000);
      return performance.now() - began;
    });
    expect(Math.min(...times)).toBeLessThan(100);
  });

  test('that claims 65,535 records of no length is bounded', () => {
    const none = record(Buffer.of(0), 65_280, Buffer.alloc(0));
    const message = Buffer.concat([head(65_535), ...Array.from({ length: 5_000 }, () => none)]);
    expect(refused(message)).toBe('malformed');
  });
});
