import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCodec } from '../src/codec.js';
import { PlainReader } from '../src/internal/plain-reader.js';

const HEADER = 13;

/** A batch as it stands in its frame. */
function batchOf(messages: readonly Uint8Array[], count: number = messages.length): Uint8Array {
  const frame = Buffer.concat([Buffer.alloc(HEADER), ...messages]);
  frame[8] = 0xdd;
  frame.writeUInt32BE(count, 9);
  return new Uint8Array(frame);
}

const bytesOf = (...bytes: number[]): Uint8Array => new Uint8Array(bytes);

function encoded(values: readonly unknown[]): Uint8Array[] {
  const codec = createCodec();
  return values.map(value => codec.encode(value));
}

const leaf = fc.oneof(
  fc.string({ maxLength: 300, unit: 'grapheme' }),
  fc.string({ maxLength: 20 }),
  fc.integer(),
  fc.double(),
  fc.constantFrom<unknown>(null, undefined, true, false, 0xff, 0x100, 0xffff, 0x1_0000, -0x20, -0x21, 2 ** 31, 2 ** 32),
  fc.uint8Array({ maxLength: 40 }),
);
const value = fc.letrec(tie => ({
  value: fc.oneof(
    leaf,
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(
      fc.string({ maxLength: 40 }).filter(key => key !== '__proto__'),
      tie('value'),
      { maxKeys: 20, noNullPrototype: true },
    ),
  ),
})).value;

describe('PlainReader', () => {
  it('reads what was written', () => {
    let read = 0;
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 10 }), values => {
        const messages = new PlainReader().read(batchOf(encoded(values)), HEADER, values.length);
        if (messages === undefined) return;
        read++;
        expect(messages).toEqual(values);
      }),
      { numRuns: 500 },
    );
    expect(read).toBeGreaterThan(100);
  });

  it('takes no bytes that the careful decoder refuses, and reads the same from those that both take', () => {
    const codec = createCodec();
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1, maxLength: 4 }),
        fc.nat(),
        fc.nat(255),
        fc.boolean(),
        (values, at, byte, cut) => {
          let frame = batchOf(encoded(values));
          const place = HEADER + (at % (frame.length - HEADER));
          if (cut) frame = frame.slice(0, place);
          else frame[place] = byte;
          const plain = new PlainReader().read(frame, HEADER, values.length);
          if (plain === undefined) return;
          // One message by itself goes to the decoder that knows everything.
          const wrapped = Buffer.concat([bytesOf(0xdd, 0, 0, 0, values.length), frame.subarray(HEADER)]);
          expect(codec.decode(wrapped)).toEqual(plain);
        },
      ),
      { numRuns: 3_000 },
    );
  });

  it.each<[string, Uint8Array]>([
    ['a special value', bytesOf(0x93, 0xc1, 0x01, 0x00)],
    ['more items than there are bytes', bytesOf(0xdc, 0x03, 0xff, 0x00)],
    ['a text longer than its bytes', bytesOf(0xa5, 0x61)],
    ['a text that is not UTF-8', bytesOf(0xa1, 0xff)],
    ['a long text that is not UTF-8', new Uint8Array([0xd9, 200, ...new Array<number>(200).fill(0xfe)])],
    ['a key that is no text', bytesOf(0x81, 0x01, 0x01)],
    ["a key '__proto__'", new Uint8Array([0x81, 0xa9, ...Buffer.from('__proto__'), 0x01])],
    ['an extension', bytesOf(0xd4, 0x01, 0x00)],
    ['bytes after the end', bytesOf(0x01, 0x02)],
    ['deep nesting', new Uint8Array([...new Array<number>(100).fill(0x91), 0x01])],
    ['nothing', bytesOf()],
  ])('leaves %s to the careful decoder', (_, bytes) => {
    expect(new PlainReader().read(batchOf([bytes], 1), HEADER, 1)).toBeUndefined();
  });

  it('copies binary values out of memory that is used again', () => {
    const frame = batchOf(encoded([bytesOf(1, 2, 3)]));
    const [binary] = new PlainReader().read(frame, HEADER, 1) as [Uint8Array];
    frame.fill(9);
    expect(binary).toEqual(bytesOf(1, 2, 3));
    expect(Buffer.isBuffer(binary)).toBe(false);
  });

  it('tells short texts apart that share a place among those it knows', () => {
    const reader = new PlainReader();
    const texts = Array.from({ length: 5_000 }, (_, index) => `op${index}`);
    for (let round = 0; round < 2; round++) {
      for (const text of texts) expect(reader.read(batchOf(encoded([text])), HEADER, 1)).toEqual([text]);
    }
  });
});

it('a batch weighs by what it becomes in memory, as any message does', () => {
  const codec = createCodec({ maxBytes: 1024 * 1024 });
  const objects = 2_000_000;
  const bytes = Buffer.alloc(HEADER + objects, 0x80);
  bytes[HEADER - 5] = 0xdd;
  bytes.writeUInt32BE(objects, HEADER - 4);
  expect(() => codec.decodeBatch(bytes, HEADER, objects)).toThrow(/more values than a message may have/);
});
