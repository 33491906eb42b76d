import { FoundationError, isFoundationError } from '@foundation-ts/core';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { type CodecExtension, createCodec } from '../src/index.js';

const codec = createCodec();
const roundTrip = (value: unknown): unknown => codec.decode(codec.encode(value));

function failure(run: () => unknown): FoundationError {
  try {
    run();
  } catch (error) {
    if (error instanceof FoundationError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const key = fc.oneof(fc.string(), fc.string({ unit: 'binary' })).filter(name => name !== '__proto__');
const leaf = fc.oneof(
  fc.constantFrom(null, undefined, true, false, 0, -0, Number.NaN, Infinity, -Infinity, '\ufeffmarked', '\ud800'),
  fc.integer(),
  fc.double(),
  fc.maxSafeInteger(),
  fc.string(),
  fc.string({ unit: 'binary', maxLength: 100 }),
  fc.string({ minLength: 60, maxLength: 90 }).map(text => `\ufeff${text}`),
  fc.bigInt(),
  fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }),
  fc.date({ noInvalidDate: false }),
  fc.uint8Array({ maxLength: 40 }),
  fc.int8Array(),
  fc.uint8ClampedArray(),
  fc.int16Array(),
  fc.uint16Array(),
  fc.int32Array(),
  fc.uint32Array(),
  fc.float32Array(),
  fc.float64Array(),
  fc.bigInt64Array(),
  fc.bigUint64Array(),
  fc.uint8Array().map(bytes => Buffer.from(bytes)),
  fc.uint8Array().map(bytes => bytes.slice().buffer),
  fc.uint8Array().map(bytes => new DataView(bytes.slice().buffer)),
);
const value = fc.letrec(tie => ({
  any: fc.oneof(
    { maxDepth: 4, depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('any')),
    fc.dictionary(key, tie('any'), { noNullPrototype: true }),
    fc.array(fc.tuple(tie('any'), tie('any'))).map(entries => new Map(entries)),
    fc.array(tie('any')).map(items => new Set(items)),
    fc
      .record({ message: fc.string(), cause: tie('any') })
      .map(init => new TypeError(init.message, { cause: init.cause })),
  ),
})).any;

describe('round trips', () => {
  test('give back a structurally equal value', () => {
    fc.assert(
      fc.property(value, original => {
        expect(roundTrip(original)).toStrictEqual(original);
      }),
      { numRuns: 500 },
    );
  });

  test('of a batch give back each message', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 6 }), messages => {
        const encoded = messages.map(message => codec.encode(message));
        const bytes = Buffer.concat([Buffer.from([1, 2, 3, 0xdd, 0, 0, 0, messages.length]), ...encoded]);
        expect(codec.decodeBatch(bytes, 8, messages.length)).toStrictEqual(messages);
      }),
    );
  });

  test('keep large binary values of every class, at any alignment of the bytes', () => {
    const size = 20_000 * 8;
    const bytes = Uint8Array.from({ length: size }, (_, index) => index * 7);
    const original = {
      first: bytes,
      numbers: new Float64Array(20_000).map((_, index) => index / 3),
      odd: [new Int16Array(10_001), Buffer.alloc(17_001, 3), new Uint8Array(16_385).buffer],
      view: new DataView(bytes.buffer.slice(0, 30_000)),
      small: new Uint8Array([1, 2]),
    };
    const encoded = codec.encode(original);
    expect(codec.decode(encoded)).toStrictEqual(original);
    const shifted = new Uint8Array(encoded.length + 3);
    shifted.set(encoded, 3);
    expect(codec.decode(shifted.subarray(3))).toStrictEqual(original);
  });

  test('give large binary values as views, not copies', () => {
    const encoded = codec.encode({ blob: new Uint8Array(100_000) });
    const { blob } = codec.decode(encoded) as { blob: Uint8Array };
    expect(blob.buffer).toBe(encoded.buffer);
    expect(Object.getPrototypeOf(blob)).toBe(Uint8Array.prototype);
  });

  test('take a snapshot: later writes to what was encoded do not show', () => {
    const blob = new Uint8Array(100_000);
    const encoded = codec.encode([blob]);
    blob.fill(9);
    expect((codec.decode(encoded) as [Uint8Array])[0][0]).toBe(0);
  });

  test('bring a FoundationError back as one', () => {
    const original = new FoundationError('moved', 'gone elsewhere', {
      retryable: false,
      cause: new RangeError('inner'),
      details: { to: 'b', at: 3n },
    });
    const back = roundTrip(original) as FoundationError;
    expect(back).toBeInstanceOf(FoundationError);
    expect(back).toMatchObject({
      code: 'moved',
      message: 'gone elsewhere',
      retryable: false,
      details: { to: 'b', at: 3n },
    });
    expect(back.cause).toBeInstanceOf(RangeError);
    expect(back.stack).toBe(original.stack);
  });

  test('bring other errors back with name, code, stack as text and errors inside', () => {
    class MineError extends Error {
      override name = 'MineError';
      code = 'E_MINE';
    }
    const original = new MineError('mine');
    const back = roundTrip(original) as MineError;
    expect(back.constructor).toBe(Error);
    expect([back.name, back.message, back.code, back.stack]).toEqual(['MineError', 'mine', 'E_MINE', original.stack]);
    const aggregate = roundTrip(new AggregateError([new Error('one')], 'all')) as AggregateError;
    expect(aggregate).toBeInstanceOf(AggregateError);
    expect((aggregate.errors[0] as Error).message).toBe('one');
  });

  test('reduce what hangs on an error and cannot be sent to a text', () => {
    const cyclic = new Error('outer');
    cyclic.cause = { back: cyclic, socket: Symbol('s') };
    const back = roundTrip({ error: cyclic }) as { error: Error };
    expect(back.error.message).toBe('outer');
    expect(String(back.error.cause)).toMatch(/not sendable/);
    const endless = new Error('endless');
    endless.cause = endless;
    expect((roundTrip(endless) as Error).message).toBe('endless');
  });

  test('do not depend on keys that look like methods', () => {
    const original = { constructor: 'x', toJSON: 1, hasOwnProperty: 2, length: 3, then: null, toString: [] };
    expect(roundTrip([original])).toStrictEqual([original]);
  });
});

describe('extensions', () => {
  class Point {
    readonly x: number;
    readonly rest: unknown;
    constructor(x: number, rest: unknown) {
      this.x = x;
      this.rest = rest;
    }
  }
  class Point3 extends Point {}
  const point: CodecExtension<Point> = {
    type: 33,
    class: Point,
    encode: ({ x, rest }) => [x, rest],
    decode: plain => new Point((plain as [number, unknown])[0], (plain as [number, unknown])[1]),
  };
  const pointed = createCodec({ extensions: [point] });

  test('carry instances, nested ones and large ones too', () => {
    const original = [new Point(1, new Map([['p', new Point(-0, new Uint8Array(20_000))]]))];
    expect(pointed.decode(pointed.encode(original))).toStrictEqual(original);
  });

  test('carry a subclass as the class', () => {
    expect(pointed.decode(pointed.encode(new Point3(1, 2)))).toStrictEqual(new Point(1, 2));
  });

  test('belong to their codec', () => {
    expect(failure(() => codec.encode(new Point(1, 2))).code).toBe('not-sendable');
    expect(failure(() => codec.decode(pointed.encode(new Point(1, 2)))).code).toBe('protocol');
  });

  test('may encode by the codec itself', () => {
    const inner: CodecExtension<Point> = {
      ...point,
      encode: p => [p.x, codec2.encode([p.rest, new Uint8Array(20_000)])],
    };
    const codec2 = createCodec({ extensions: [inner] });
    const blob = new Uint8Array(30_000).fill(5);
    const back = codec2.decode(codec2.encode([blob, new Point(4, 'r')])) as [Uint8Array, Point];
    expect(back[0]).toStrictEqual(blob);
    expect(codec2.decode(back[1].rest as Uint8Array)).toStrictEqual(['r', new Uint8Array(20_000)]);
  });

  test('that fail name the path, or are a protocol error', () => {
    const bad: CodecExtension<Point> = {
      type: 34,
      class: Point,
      encode: p => (p.x === 0 ? [() => 1] : p.x),
      decode: () => {
        throw new Error('no such thing');
      },
    };
    const broken = createCodec({ extensions: [bad] });
    expect(failure(() => broken.encode({ at: new Point(0, 0) })).message).toContain('payload.at');
    const error = failure(() => broken.decode(broken.encode(new Point(1, 0))));
    expect(error.code).toBe('protocol');
    expect(error.message).toContain('no such thing');
  });

  test('of one type, or of a type out of range, are refused', () => {
    expect(failure(() => createCodec({ extensions: [point, point] })).code).toBe('invalid-option');
    expect(failure(() => createCodec({ extensions: [{ ...point, type: 61 }] })).code).toBe('invalid-option');
  });
});

describe('what cannot be sent', () => {
  class Plain {
    a = 1;
  }
  const cycle: { list: unknown[] } = { list: [] };
  cycle.list.push(cycle);
  const deep = (levels: number): unknown => {
    let nested: unknown = 1;
    for (let level = 0; level < levels; level++) nested = [nested];
    return nested;
  };

  test.each<[string, unknown, string]>([
    ['a function', { items: [0, 1, 2, { fn: () => 1 }] }, 'payload.items[3].fn'],
    ['a symbol', [{ 'odd key': Symbol('x') }], 'payload[0]["odd key"]'],
    ['a cycle', cycle, 'payload.list[0]'],
    ['a class instance', { deep: { er: new Plain() } }, 'payload.deep.er'],
    ['an instance inside a Map', { map: new Map([['k', new Plain()]]) }, 'payload.map.k'],
    ['an instance inside a Set', new Set([1, new Plain()]), 'payload[1]'],
    ['a regular expression', { a: /x/ }, 'payload.a'],
    ['a promise', { a: Promise.resolve() }, 'payload.a'],
    ['a subclass of Array', { a: new (class extends Array {})() }, 'payload.a'],
    ['a subclass of Map', { a: new (class extends Map {})() }, 'payload.a'],
    ['an own __proto__', { a: JSON.parse('{"__proto__": {"polluted": 1}}') }, 'payload.a.__proto__'],
    ['a depth bomb', deep(100_000), 'nested deeper'],
  ])('%s throws naming the path', (_, bad, path) => {
    const error = failure(() => codec.encode(bad));
    expect(error.code).toBe('not-sendable');
    expect(error.message).toContain(path);
    expect(codec.decode(codec.encode('still working'))).toBe('still working');
  });

  test('a wide graph of shared references ends with an error', () => {
    const small = createCodec({ maxBytes: 100_000 });
    let node: unknown[] = [];
    for (let level = 0; level < 60; level++) node = [node, node];
    expect(failure(() => small.encode(node)).code).toBe('not-sendable');
  });

  test('a throwing getter is reported with its cause', () => {
    const error = failure(() =>
      codec.encode({
        get a(): number {
          throw new Error('from the getter');
        },
      }),
    );
    expect(error.code).toBe('not-sendable');
    expect((error.cause as Error).message).toBe('from the getter');
  });

  test('a message over the limit is too-large', () => {
    const small = createCodec({ maxBytes: 1000 });
    expect(failure(() => small.encode('x'.repeat(2000))).code).toBe('too-large');
    expect(failure(() => small.encode(new Uint8Array(50_000))).code).toBe('too-large');
    expect(failure(() => small.decode(new Uint8Array(2000))).code).toBe('too-large');
  });
});

describe('hostile bytes', () => {
  const refused = (bytes: readonly number[] | Uint8Array): FoundationError =>
    failure(() => codec.decode(Uint8Array.from(bytes)));

  test.each<[string, readonly number[]]>([
    ['nothing', []],
    ['a record definition', [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 1]],
    ['a two-byte record definition', [0xd5, 0x72, 0x40, 0, 0x91, 0xa1, 0x61, 1]],
    ['a regular expression', [0xd4, 0x78, 0, 0x92, 0xa1, 0x61, 0xa0]],
    ['an error extension', [0xd4, 0x65, 0, 0x93, 0xa1, 0x61, 0xa1, 0x62, 0xc0]],
    ['a pointer', [0xd6, 0x70, 0, 0, 0, 1]],
    ['a bundle of strings', [0xd6, 0x62, 0, 0, 0, 1, 0xa0, 0xa0]],
    ['a timestamp', [0xd6, 0xff, 0, 0, 0, 1]],
    ['an unknown extension', [0xc7, 1, 0x33, 0]],
    ['an array of 2^32-1', [0xdd, 0xff, 0xff, 0xff, 0xff]],
    ['a map of 2^32-1', [0xdf, 0xff, 0xff, 0xff, 0xff]],
    ['a string of 2^32-1', [0xdb, 0xff, 0xff, 0xff, 0xff]],
    ['a binary of 2^32-1', [0xc6, 0xff, 0xff, 0xff, 0xff]],
    ['an extension of 2^32-1', [0xc9, 0xff, 0xff, 0xff, 0xff, 1]],
    ['a key __proto__', [0x81, 0xa9, ...Buffer.from('__proto__'), 0x80]],
    ['a longer form of the key __proto__', [0x81, 0xd9, 9, ...Buffer.from('__proto__'), 0x80]],
    ['a key that is a number', [0x81, 1, 1]],
    ['a key that is an array', [0x81, 0x90, 1]],
    ['bad UTF-8', [0xa2, 0xc3, 0x28]],
    ['bytes behind the value', [1, 1]],
    ['a truncated number', [0xcb, 0]],
    ['a truncated key', [0x82, 0xa1]],
    ['a bare marker', [0xc1]],
    ['a marker within', [0x92, 1, 0xc1]],
    ['a marker as a value', [0x81, 0xa1, 0x61, 0xc1]],
    ['an unknown special', [0x93, 0xc1, 0xd0, 0x80, 1]],
    ['an empty special', [0x91, 0xc1]],
    ['a map of odd length', [0x93, 0xc1, 0xfb, 0x91, 1]],
    ['externals without a header', [0xc1, 0, 0, 0]],
    ['externals beyond the end', [0xc1, 0, 0, 0, 0, 0, 0, 5, 0x94, 0xc1, 0xf7, 0, 100]],
  ])('%s is a protocol error', (_, bytes) => {
    expect(refused(bytes).code).toBe('protocol');
  });

  test('an own __proto__ by way of a special object is refused', () => {
    const bytes = new Packr({ useRecords: false }).pack([1, -4, ['__proto__', { polluted: true }]]) as Uint8Array;
    bytes[1] = 0xc1;
    expect(refused(bytes).code).toBe('protocol');
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test('nesting of 100,000 is refused', () => {
    const bytes = new Uint8Array(100_001).fill(0x91);
    bytes[100_000] = 1;
    expect(refused(bytes).code).toBe('protocol');
  });

  test('random bytes never do anything but decode or be refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200, size: 'max' }), bytes => {
        try {
          codec.decode(bytes);
        } catch (error) {
          expect(isFoundationError(error, 'protocol')).toBe(true);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('a message with bytes changed never does anything but decode or be refused', () => {
    fc.assert(
      fc.property(
        value,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (original, edits) => {
          const bytes = codec.encode(original);
          for (const [position, byte] of edits) bytes[position % bytes.length] = byte;
          try {
            codec.decode(bytes);
          } catch (error) {
            expect(isFoundationError(error, 'protocol')).toBe(true);
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

describe('what a message becomes in memory', () => {
  const small = createCodec({ maxBytes: 8 * 1024 * 1024 });
  const many = (count: number, item: () => unknown): unknown[] => Array.from({ length: count }, item);
  /** A list of `count` values, each of these bytes. */
  const listOf = (count: number, ...item: readonly number[]): Uint8Array => {
    const bytes = Buffer.alloc(5 + count * item.length, Buffer.from(item));
    bytes[0] = 0xdd;
    bytes.writeUInt32BE(count, 1);
    for (let at = 5; at < bytes.length; at++) bytes[at] = item[(at - 5) % item.length] as number;
    return bytes;
  };

  test.each<[string, Uint8Array]>([
    ['objects', listOf(1_200_000, 0x80)],
    ['arrays', listOf(1_200_000, 0x90)],
    ['errors', listOf(120_000, 0x93, 0xc1, 0xf6, 0x92, 0xa0, 0xa0)],
    ['maps', listOf(500_000, 0x93, 0xc1, 0xfb, 0x90)],
    ['binary values', listOf(800_000, 0xc4, 0x00)],
    ['numbers in a set', Buffer.concat([Buffer.from([0x93, 0xc1, 0xfa]), listOf(3_000_000, 0x01)])],
    [
      'entries in an object',
      Buffer.from([0xdf, 0, 0xf, 0, 0, ...many(0xf0000, () => [0xa1, 0x61, 0xc0]).flat()] as number[]),
    ],
  ])('is bounded: a list of many %s is refused, however short', (_what, bytes) => {
    const error = failure(() => small.decode(bytes));
    expect(error.code).toBe('protocol');
    expect(error.message).toMatch(/more values than a message may have/);
  });

  test.each<[string, number, () => unknown]>([
    ['objects', 1_100_000, () => ({})],
    ['errors', 90_000, () => Object.assign(new Error(''), { stack: undefined })],
    ['negative zeros', 400_000, () => -0],
    ['dates', 300_000, () => new Date(0)],
    ['marked texts', 300_000, () => '\ufeff'],
  ])('what is too much of it can not be sent: %s', (_what, count, item) => {
    const error = failure(() => small.encode(many(count, item)));
    expect(error).toMatchObject({ code: 'not-sendable', message: expect.stringMatching(/more values than a message/) });
  });

  test('whatever can be sent is taken', () => {
    const tiny = fc.oneof(
      fc.constantFrom<unknown>({}, [], -0, 2n ** 80n, '\ufeff', new Date(0), new Map(), new Set(), new Error('')),
      fc.constantFrom<unknown>(
        new Uint8Array(),
        new Float64Array(1),
        { '\ufeff': 1 },
        new Map([[{}, []]]),
        new TypeError('x'),
      ),
    );
    fc.assert(
      fc.property(
        fc.array(tiny, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 100_000, max: 400_000 }),
        (items, count) => {
          const value = Array.from({ length: count }, (_, index) => items[index % items.length]);
          let bytes: Uint8Array;
          try {
            bytes = small.encode(value);
          } catch (error) {
            expect(error).toBeInstanceOf(FoundationError);
            return;
          }
          expect((small.decode(bytes) as unknown[]).length).toBe(count);
        },
      ),
      { numRuns: 12 },
    );
  }, 60_000);
});
