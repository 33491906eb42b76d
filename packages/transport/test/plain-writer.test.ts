import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { createCodec } from '../src/codec.js';
import { PlainWriter } from '../src/internal/plain-writer.js';

function written(writer: PlainWriter): Uint8Array {
  return Uint8Array.prototype.slice.call(writer.buffer, writer.start, writer.end);
}

/** What is equal to what was sent, whichever of the two encoders took it. */
function crossed(value: unknown): unknown {
  const codec = createCodec();
  return codec.decode(codec.encode(value));
}

const edges = [0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000].flatMap(
  edge => [edge, -edge, edge + 1, -edge - 1],
);
const plain = fc.letrec(tie => ({
  value: fc.oneof(
    fc.string({ maxLength: 300, unit: 'grapheme' }),
    fc.string({ maxLength: 40, unit: 'binary' }),
    fc.integer(),
    fc.constantFrom(...edges, -1, -0x20, -0x21),
    fc.double(),
    fc.boolean(),
    fc.constantFrom(null, undefined),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(
      fc.string({ maxLength: 40 }).filter(key => key !== '__proto__'),
      tie('value'),
      {
        maxKeys: 20,
        noNullPrototype: true,
      },
    ),
  ),
})).value;

describe('PlainWriter', () => {
  it('writes what arrives as it was', () => {
    fc.assert(
      fc.property(plain, value => {
        expect(crossed(value)).toEqual(value);
      }),
      { numRuns: 400 },
    );
  });

  it('writes messages behind each other as the other encoder does', () => {
    const writer = new PlainWriter();
    const packr = new Packr({ useRecords: false });
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.nat(), fc.double(), fc.boolean()), { maxLength: 40 }), items => {
        const before = writer.end;
        if (!writer.write(items)) return;
        expect(writer.start === before || writer.start === 0).toBe(true);
        expect(packr.unpack(written(writer))).toEqual(packr.unpack(packr.pack(items)));
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    ['a text of one byte too many for its header', 'é'.repeat(16)],
    ['a text of 128 characters of two bytes', 'é'.repeat(128)],
    ['a text of three bytes a character', '€'.repeat(4_096)],
    ['pairs of surrogates', '🙂'.repeat(31)],
    ['negative zero', [-0]],
    ['a lone surrogate', { a: '\ud800', 'b\udc00': 1 }],
    ['a byte order mark', '\ufeffx'],
    [
      'more keys than a short map has',
      Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`k${index}`, index])),
    ],
    ['many items', Array.from({ length: 5_000 }, (_, index) => index)],
    ['deep nesting', Array.from({ length: 60 }).reduce<unknown>(inner => ({ inner }), 1)],
    ['bytes', { bytes: new Uint8Array([1, 2, 3]) }],
  ])('leaves to the other encoder, or writes, %s', (_, value) => {
    expect(crossed(value)).toEqual(value);
  });

  it('begins new memory where a message has no room, and never writes over one that is held', () => {
    const codec = createCodec();
    const sent = Array.from({ length: 500 }, (_, index) => [index, 'y'.repeat(index * 7), -index]);
    const parts = sent.map(message => {
      const { buffer, arena, start, end } = codec.encodeParts(message);
      arena?.hold();
      return buffer.subarray(start, end);
    });
    expect(parts.map(bytes => codec.decode(bytes))).toEqual(sent);
  });

  it('refuses nothing and sends nothing that can not be sent: that is left to the other', () => {
    const cycle: unknown[] = [];
    cycle.push(cycle);
    const throwing = {
      get key(): never {
        throw new Error('no');
      },
    };
    for (const value of [
      cycle,
      () => 1,
      { a: Symbol('s') },
      new Map(),
      new Date(0),
      1n,
      JSON.parse('{"__proto__":1}'),
    ]) {
      expect(new PlainWriter().write(value)).toBe(false);
    }
    expect(() => createCodec().encode(throwing)).toThrow(expect.objectContaining({ code: 'not-sendable' }));
    expect(() => createCodec({ maxBytes: 8 }).encode('123456789')).toThrow(
      expect.objectContaining({ code: 'too-large' }),
    );
  });
});
