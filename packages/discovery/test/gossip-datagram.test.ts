import { seededRandom, systemRandom } from '@foundation-ts/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Beat, DatagramCodec } from '../src/gossip-datagram.js';
import { advertisedNode } from './context.js';

const secret = new Uint8Array(32).fill(7);
const codec = new DatagramCodec('shop', secret, systemRandom);
const bare = new DatagramCodec('shop', undefined, systemRandom);
const beat: Beat = {
  kind: 'beat',
  node: advertisedNode('b', 2),
  sequence: 5,
  sentAt: 1_700_000_000_000,
  interval: 1_500,
};
const headerLength = 14;

describe('a gossip datagram', () => {
  test.each([codec, bare])('reads what it wrote', one => {
    const text = fc.string({ minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(text, fc.maxSafeNat(), fc.maxSafeNat(), fc.boolean(), (name, incarnation, sequence, goodbye) => {
        const given: Beat = {
          ...beat,
          kind: goodbye ? 'goodbye' : 'beat',
          node: { ...beat.node, name, incarnation },
          sequence,
        };
        expect(one.decode(one.encode(given))).toEqual(given);
      }),
    );
  });

  test('shows no one the name, the address, the cluster or the secret', () => {
    const text = Buffer.from(codec.encode({ ...beat, node: { ...beat.node, name: 'plainly-visible' } })).toString(
      'latin1',
    );
    for (const hidden of ['plainly-visible', '127.0.0.1', 'shop']) expect(text).not.toContain(hidden);
    expect(text).not.toContain(Buffer.from(secret).toString('latin1'));
  });

  test('is read by those who accept the secret that sealed it, while the secret is being changed', () => {
    const [old, fresh, other] = [secret, new Uint8Array(32).fill(8), new Uint8Array(32).fill(9)];
    const first = new DatagramCodec('shop', old, systemRandom, [old, fresh]);
    const second = new DatagramCodec('shop', fresh, systemRandom, [fresh, old]);
    expect(second.decode(first.encode(beat))).toEqual(beat);
    expect(first.decode(second.encode(beat))).toEqual(beat);
    expect(codec.decode(second.encode(beat))).toBe('unauthenticated');
    expect(first.decode(new DatagramCodec('shop', other, systemRandom).encode(beat))).toBe('unauthenticated');
  });

  test('is refused after any change of a byte', () => {
    const original = codec.encode(beat);
    for (let index = 0; index < original.length; index++) {
      const changed = Uint8Array.from(original);
      changed[index] = (changed[index] as number) ^ 1;
      expect(typeof codec.decode(changed)).toBe('string');
      if (index >= headerLength) expect(codec.decode(changed)).toBe('unauthenticated');
    }
  });

  test('is refused when it is cut short or lengthened', () => {
    const original = codec.encode(beat);
    for (let length = 0; length < original.length; length++) {
      expect(typeof codec.decode(original.subarray(0, length))).toBe('string');
    }
    expect(codec.decode(Buffer.concat([original, Buffer.of(0)]))).toBe('unauthenticated');
  });

  test('is refused under another secret, without one, and where one is expected', () => {
    const another = new DatagramCodec('shop', new Uint8Array(32).fill(8), systemRandom);
    expect(another.decode(codec.encode(beat))).toBe('unauthenticated');
    expect(bare.decode(codec.encode(beat))).toBe('unauthenticated');
    expect(codec.decode(bare.encode(beat))).toBe('unauthenticated');
  });

  test('of another cluster is told apart from a forged one', () => {
    const foreign = new DatagramCodec('elsewhere', secret, systemRandom);
    expect(codec.decode(foreign.encode(beat))).toBe('foreign-cluster');
    const relabelled = Buffer.from(foreign.encode(beat));
    relabelled.set(codec.encode(beat).subarray(0, headerLength));
    expect(codec.decode(relabelled)).toBe('unauthenticated');
    expect(codec.decode(codec.encode({ ...beat, node: { ...beat.node, clusterId: 'elsewhere' } }))).toBe(
      'foreign-cluster',
    );
  });

  test('never has the same nonce', () => {
    const nonces = Array.from({ length: 1_000 }, () =>
      Buffer.from(codec.encode(beat)).subarray(14, 26).toString('hex'),
    );
    expect(new Set(nonces).size).toBe(1_000);
  });

  test('reads arbitrary bytes without a throw', () => {
    const header = bare.encode(beat).subarray(0, headerLength);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), bytes => {
        expect(typeof codec.decode(bytes)).toBe('string');
        expect(typeof bare.decode(Buffer.concat([header, bytes]))).toBe('string');
      }),
    );
  });

  test.each([
    '',
    'null',
    '{}',
    '[]',
    '['.repeat(1_000),
    '{"__proto__":[]}',
    '["beat","b","shop",1,"tcp","h",2,5,1]',
    '["shout","b","shop",1,"tcp","h",2,5,1,1]',
    '["beat","","shop",1,"tcp","h",2,5,1,1]',
    '["beat","b","shop",9007199254740992,"tcp","h",2,5,1,1]',
    '["beat","b","shop",-1,"tcp","h",2,5,1,1]',
    '["beat","b","shop",1,"tcp","h",70000,5,1,1]',
    '["beat","b","shop",1,"tcp","h/x",2,5,1,1]',
    '["beat","b","shop",1,"TCP:","h",2,5,1,1]',
    '["beat","b","shop",1,"tcp","h",2,1e400,1,1]',
    '["beat","b","shop",1,"tcp","h",2,5,1,-1]',
    '["beat","\\ud800","shop",1,"tcp","h",2,5,1,1]',
  ])('is malformed when it says %s', text => {
    const header = bare.encode(beat).subarray(0, headerLength);
    expect(bare.decode(Buffer.concat([header, Buffer.from(text)]))).toBe('malformed');
  });

  test('is refused over its limit, by sender and receiver', () => {
    expect(codec.decode(new Uint8Array(1_201))).toBe('oversized');
    const node = {
      ...beat.node,
      name: 'ü'.repeat(255),
      clusterId: 'ü'.repeat(255),
      address: { ...beat.node.address, host: 'ü'.repeat(255) },
    };
    expect(() => codec.encode({ ...beat, node })).toThrow(expect.objectContaining({ code: 'too-large' }));
  });

  test('takes its nonce from the injected randomness', () => {
    const [one, two] = [seededRandom(1), seededRandom(1)].map(random => new DatagramCodec('shop', secret, random));
    expect(one?.encode(beat)).toEqual(two?.encode(beat));
  });
});
