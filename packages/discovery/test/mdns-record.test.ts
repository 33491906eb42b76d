import { decode, encode } from 'dns-packet';
import { describe, expect, test } from 'vitest';
import { fromWire, type MdnsRecord, packetOf, toWire } from '../src/mdns-record.js';

const name = 'b._foundation._tcp.local';
const records: readonly MdnsRecord[] = [
  { name: '_foundation._tcp.local', type: 'PTR', ttl: 4_500, flush: false, data: name },
  { name, type: 'SRV', ttl: 120, flush: true, data: { target: 'h.local', port: 4_370, priority: 1, weight: 2 } },
  { name, type: 'TXT', ttl: 4_500, flush: true, data: [Buffer.from('cluster=shop'), Buffer.alloc(0)] },
  { name: 'h.local', type: 'A', ttl: 120, flush: true, data: '10.0.0.2' },
  { name: 'h.local', type: 'AAAA', ttl: 120, flush: true, data: 'fd00::2' },
];

describe('mDNS packets', () => {
  test('keep every field over the wire', () => {
    const response = packetOf('response', { id: 5, answers: records, additionals: records });
    expect(fromWire(decode(encode(toWire(response))))).toEqual(response);
    const query = packetOf('query', { truncated: true, questions: [{ name, type: 'ANY' }], authorities: records });
    expect(fromWire(decode(encode(toWire(query))))).toEqual(query);
  });

  test('take a question that asks for a unicast answer for any other', () => {
    const bytes = encode({ type: 'query', questions: [{ name, type: 'SRV' }] });
    bytes.writeUInt16BE(0x8001, bytes.length - 2);
    expect(fromWire(decode(bytes))?.questions).toEqual([{ name, type: 'SRV' }]);
  });

  test.each([2 ** 31, 2 ** 32 - 1, 86_400])('believe a life of %d s for 75 minutes', ttl => {
    const response = packetOf('response', { answers: [{ ...(records[0] as MdnsRecord), ttl }] });
    expect(fromWire(decode(encode(toWire(response))))?.answers[0]?.ttl).toBe(4_500);
  });

  test.each([
    ['another operation', 2, 0x28],
    ['an error', 3, 0x03],
  ])('are not those with %s', (_, offset, bits) => {
    const bytes = encode(toWire(packetOf('query', { questions: [{ name, type: 'SRV' }] })));
    bytes[offset] = (bytes[offset] as number) | bits;
    expect(fromWire(decode(bytes))).toBeUndefined();
  });

  test('are read without the records and classes that DNS-SD has no use for', () => {
    const bytes = encode({
      type: 'response',
      answers: [
        { name, type: 'CNAME', data: 'x.local' },
        { name: 'h.local', type: 'A', class: 'CH', ttl: 120, data: '10.0.0.2' },
        { name: 'h.local', type: 'A', ttl: 120, data: '10.0.0.3' },
      ],
      additionals: [
        {
          name: '.',
          type: 'OPT',
          udpPayloadSize: 1_440,
          extendedRcode: 0,
          ednsVersion: 0,
          flags: 0,
          flag_do: false,
          options: [],
        },
      ],
    });
    expect(fromWire(decode(bytes))).toMatchObject({ answers: [{ data: '10.0.0.3' }], additionals: [] });
  });
});
