import type { FoundationError } from '@foundation-ts/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SpareMemory } from '../src/internal/spare-memory.js';
import { PLACE_HEAD_BYTES } from '../src/transport.js';
import { WsFrameReader } from '../src/ws/frame-reader.js';
import { BINARY, CLOSE, frame, PING, PONG, pieces, TEXT } from './ws-frames.js';

const KEY = Uint8Array.of(0x12, 0x34, 0x56, 0x78);
const LIMIT = 1_000;

function bytesOf(length: number, number: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, index) => (index * 31 + number * 7 + length) & 0xff));
}

const lengths = fc.oneof(
  fc.integer({ min: 1, max: 200 }),
  fc.integer({ min: 4_000, max: 4_200 }),
  fc.constantFrom(125, 126, 127, 65_535, 65_536, 70_000),
);

/** What a reader makes of a stream that comes in those chunks. */
function read(
  stream: Uint8Array,
  chunks: readonly number[],
  init: { masked?: boolean; reused?: boolean; limit?: number } = {},
) {
  const { masked = true, reused = false, limit = LIMIT } = init;
  const frames: Buffer[] = [];
  const pings: string[] = [];
  const closes: number[] = [];
  const errors: FoundationError[] = [];
  const events = {
    frame: (bytes: Uint8Array) => frames.push(Buffer.from(bytes)),
    lend: () => false,
    place: () => undefined,
    placed: () => {},
    ping: (payload: Uint8Array) => pings.push(Buffer.from(payload).toString()),
    close: (code: number) => closes.push(code),
    invalid: (error: FoundationError) => errors.push(error),
  };
  const reader = new WsFrameReader(
    { maxFrameBytes: limit, masked, spares: reused ? new SpareMemory() : undefined },
    events,
  );
  let at = 0;
  for (let index = 0; at < stream.length; index++) {
    const size = chunks[index % chunks.length] as number;
    reader.push(Buffer.from(stream.subarray(at, at + size)));
    at += size;
  }
  return { frames, pings, closes, errors };
}

describe('a reader of WebSocket frames', () => {
  test.each([
    [true, true],
    [true, false],
    [false, true],
    [false, false],
  ])(
    'gives each message whole, once, in order, for good, however frames, keys, reads, pings and pauses fall (masked: %s, memory used again: %s)',
    (masked, reused) => {
      fc.assert(
        fc.property(
          fc.array(fc.tuple(lengths, fc.array(fc.nat(), { maxLength: 4 })), { minLength: 1, maxLength: 20 }),
          fc.array(fc.uint8Array({ minLength: 4, maxLength: 4 }), { minLength: 1, maxLength: 10 }),
          // How long a read is; 0 stands for: go on, if it is paused.
          fc.array(fc.oneof(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 9_000 })), { maxLength: 60 }),
          fc.array(fc.boolean(), { maxLength: 40 }),
          fc.array(fc.boolean(), { maxLength: 40 }),
          fc.array(fc.option(fc.string({ maxLength: 20 })), { maxLength: 20 }),
          (plans, keys, reads, pausesAfter, places, controls) => {
            let keysUsed = 0;
            let controlsSent = 0;
            const pings: string[] = [];
            const key = () => (masked ? keys[keysUsed++ % keys.length] : undefined);
            const between = (): Buffer => {
              const payload = controls[controlsSent++ % 20];
              if (typeof payload !== 'string') return Buffer.alloc(0);
              const masking = key();
              const opcode = controlsSent % 3 === 0 ? PONG : PING;
              if (opcode === PING) pings.push(payload);
              return frame({
                payload: Buffer.from(payload),
                opcode,
                ...(masking === undefined ? {} : { key: masking }),
              });
            };
            const sent = plans.map(([length], index) => bytesOf(length, index));
            const stream = Buffer.concat(
              plans.flatMap(([, cuts], index) => [pieces(sent[index] as Buffer, cuts, between, key), between()]),
            );
            const memory = Buffer.alloc(256 * 1024);
            // Kept, and looked at only when all is over: nothing may write to a message that was handed out.
            const got: Uint8Array[] = [];
            const pinged: string[] = [];
            let place: Uint8Array | undefined;
            let asked = 0;
            let paused = false;
            const took = (bytes: Uint8Array): void => {
              expect(paused).toBe(false);
              got.push(bytes);
              if (pausesAfter[got.length % 40] !== true) return;
              paused = true;
              reader.pause();
            };
            const reader = new WsFrameReader(
              { maxFrameBytes: 70_000, masked, spares: reused ? new SpareMemory() : undefined },
              {
                frame: took,
                lend: bytes => {
                  expect(reused).toBe(true);
                  if (places[(asked + got.length) % 40] !== true) return false;
                  took(Buffer.from(bytes));
                  return true;
                },
                place: (head, bytes) => {
                  if (places[asked++ % 40] !== true) return undefined;
                  place = new Uint8Array(bytes);
                  place.set(head);
                  return place.subarray(PLACE_HEAD_BYTES);
                },
                placed: () => took(place as Uint8Array),
                ping: payload => pinged.push(Buffer.from(payload).toString()),
                close: code => {
                  throw new Error(`closed with ${code}`);
                },
                invalid: error => {
                  throw error;
                },
              },
            );
            const resume = (): void => {
              while (paused) {
                paused = false;
                reader.resume();
              }
            };
            let at = 0;
            for (let index = 0; at < stream.length; index++) {
              const length = Math.min(index < reads.length ? (reads[index] as number) : 50_000, stream.length - at);
              if (length === 0) {
                resume();
                continue;
              }
              const piece = stream.subarray(at, at + length);
              at += length;
              if (reused) {
                // Reads begin anywhere in a word.
                const chunk = memory.subarray(index & 3, (index & 3) + length);
                piece.copy(chunk);
                reader.push(chunk);
                // The next read of whichever socket.
                chunk.fill(0xee);
              } else {
                reader.push(Buffer.from(piece));
              }
            }
            resume();
            expect(got.length).toBe(sent.length);
            for (const [index, bytes] of got.entries()) expect(Buffer.compare(bytes, sent[index] as Buffer)).toBe(0);
            expect(pinged).toEqual(pings);
          },
        ),
        { numRuns: 200 },
      );
    },
  );

  const head = (...bytes: number[]): Buffer => Buffer.from(bytes);
  const masked = (opcode: number, payload: string | Uint8Array, fin = true): Buffer =>
    frame({ payload: Buffer.from(payload as string), opcode, fin, key: KEY });
  const first = masked(BINARY, 'first');

  test.each<[string, Buffer, string, RegExp]>([
    ['a frame that is not masked', frame({ payload: Buffer.from('four') }), 'protocol', /not masked/],
    ['the first reserved bit', head(0xc2, 0x84), 'protocol', /reserved/],
    ['the second reserved bit', head(0xa2, 0x84), 'protocol', /reserved/],
    ['the third reserved bit', head(0x92, 0x84), 'protocol', /reserved/],
    ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode): [string, Buffer, string, RegExp] => [
      `the type ${opcode}`,
      head(0x80 | opcode, 0x84),
      'protocol',
      new RegExp(`unknown type ${opcode}`),
    ]),
    ['a text', masked(TEXT, 'text'), 'protocol', /text/],
    ['an empty message', masked(BINARY, ''), 'protocol', /length 0/],
    ['an empty message in pieces', Buffer.concat([masked(BINARY, '', false), masked(0, '')]), 'protocol', /length 0/],
    ['a continuation of nothing', masked(0, 'four'), 'protocol', /continuation/],
    [
      'a message within another',
      Buffer.concat([masked(BINARY, 'one', false), masked(BINARY, 'two')]),
      'protocol',
      /within another/,
    ],
    [
      'a continuation of a message that is over',
      Buffer.concat([masked(BINARY, 'one', false), masked(0, 'two'), masked(0, 'three')]),
      'protocol',
      /continuation/,
    ],
    ['a ping in pieces', masked(PING, 'four', false), 'protocol', /in pieces/],
    ['a close in pieces', masked(CLOSE, '', false), 'protocol', /in pieces/],
    ['a ping of 126 bytes', masked(PING, 'x'.repeat(126)), 'protocol', /125/],
    ['a pong whose length takes eight bytes', head(0x8a, 0xff), 'protocol', /125/],
    ['a length in two bytes that one could say', head(0x82, 0xfe, 0, 125, 1, 2, 3, 4), 'protocol', /shortest/],
    [
      'a length in eight bytes that two could say',
      head(0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4),
      'protocol',
      /shortest/,
    ],
    ['a length of 2^64 − 1', Buffer.concat([head(0x82, 0xff), Buffer.alloc(12, 0xff)]), 'protocol', /highest bit/],
    [
      'a length of 2^63 − 1',
      Buffer.concat([head(0x82, 0xff, 0x7f), Buffer.alloc(11, 0xff)]),
      'too-large',
      /at most 1000/,
    ],
    ['a length of 2^32', head(0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4), 'too-large', /4294967296/],
    ['a length over the limit', head(0x82, 0xfe, 0x03, 0xe9, 1, 2, 3, 4), 'too-large', /1001/],
    [
      'pieces over the limit',
      Buffer.concat([masked(BINARY, 'x'.repeat(900), false), masked(0, 'x'.repeat(101))]),
      'too-large',
      /1001/,
    ],
    ['a close of one byte', masked(CLOSE, 'x'), 'protocol', /half a code/],
    ...[0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65_535].map((code): [string, Buffer, string, RegExp] => [
      `a close with ${code}`,
      masked(CLOSE, Buffer.from([code >> 8, code & 0xff])),
      'protocol',
      new RegExp(`${code}, which is no code`),
    ]),
    ['a close with bad UTF-8', masked(CLOSE, Buffer.from([3, 0xe8, 0xff, 0xfe])), 'protocol', /UTF-8/],
  ])('refuses %s with a typed reason, and reads nothing after it', (_, bytes, code, message) => {
    const stream = Buffer.concat([first, bytes, masked(BINARY, 'last')]);
    for (const size of [1, 3, stream.length]) {
      const { frames, errors, closes } = read(stream, [size]);
      expect(frames.map(String)).toEqual(frames.length === 1 ? ['first'] : ['first', 'onetwo']);
      expect([errors.length, errors[0]?.code, closes]).toEqual([1, code, []]);
      expect(errors[0]?.message).toMatch(message);
    }
  });

  test('refuses a masked frame where the other side did not dial', () => {
    const { frames, errors } = read(
      Buffer.concat([frame({ payload: Buffer.from('one') }), masked(BINARY, 'two')]),
      [7],
      {
        masked: false,
      },
    );
    expect([frames.map(String), errors.map(error => error.code)]).toEqual([['one'], ['protocol']]);
  });

  test('refuses what its first two bytes show to be wrong without waiting for more', () => {
    expect(read(head(0x83, 0x80), [1]).errors.length).toBe(1);
    expect(read(head(0x82, 4), [2]).errors.length).toBe(1);
  });

  test('refuses a length over the limit before it takes memory for it', () => {
    const { arrayBuffers } = process.memoryUsage();
    const claim = Buffer.alloc(14);
    claim.writeUInt16BE(0x82ff);
    claim.writeUInt32BE(1_000_000_000, 6);
    expect(read(claim, [14], { limit: 100_000_000 }).errors[0]?.code).toBe('too-large');
    // And takes little for one within it of which nothing has come.
    expect(read(Buffer.concat([claim, Buffer.alloc(1)]), [15], { limit: 2_000_000_000 }).errors).toEqual([]);
    expect(process.memoryUsage().arrayBuffers - arrayBuffers).toBeLessThan(1_000_000);
  });

  test.each([
    ['of a byte', 'x'],
    ['of nothing', ''],
  ])('refuses a message in very many pieces %s', (_, piece) => {
    const stream = Buffer.concat([
      masked(BINARY, 'x', false),
      Buffer.alloc(20_000 * (6 + piece.length), masked(0, piece, false)),
    ]);
    expect(read(stream, [65_536], { limit: 1_000_000 }).errors.map(error => error.code)).toEqual(['protocol']);
  });

  test.each<[string, Buffer, number]>([
    ['without a code', Buffer.alloc(0), 1005],
    ['in order', Buffer.from([3, 0xe8]), 1000],
    ['with a reason', Buffer.concat([Buffer.from([3, 0xe9]), Buffer.from('läßt los')]), 1001],
    ['with a code of its own', Buffer.from([0x13, 0x87]), 4999],
  ])('reports a close %s, and reads nothing after it', (_, payload, code) => {
    const stream = Buffer.concat([first, masked(CLOSE, payload), masked(BINARY, 'last'), head(0xff, 0xff)]);
    for (const size of [1, 5, stream.length]) {
      expect(read(stream, [size])).toEqual({ frames: [Buffer.from('first')], pings: [], closes: [code], errors: [] });
    }
  });

  test('reads a long message byte by byte, in pieces and not, in linear time', () => {
    const long = Buffer.alloc(1_000_000, 7);
    const none = () => Buffer.alloc(0);
    const streams = [frame({ payload: long, key: KEY }), pieces(long, [100, 900_000, 900_001], none, () => KEY)];
    for (const stream of streams) {
      const start = performance.now();
      const { frames } = read(stream, [1], { limit: 4_000_000 });
      expect(performance.now() - start).toBeLessThan(4_000);
      expect(frames.map(bytes => bytes.equals(long))).toEqual([true]);
    }
  });

  test('is paused after each of many messages of one read in linear time', () => {
    const stream = Buffer.alloc(20_000 * 10, masked(BINARY, 'four'));
    let frames = 0;
    const reader = new WsFrameReader(
      { maxFrameBytes: LIMIT, masked: true, spares: new SpareMemory() },
      {
        frame: () => {
          frames++;
          reader.pause();
        },
        lend: () => false,
        place: () => undefined,
        placed: () => {},
        ping: () => {},
        close: () => {},
        invalid: error => {
          throw error;
        },
      },
    );
    const start = performance.now();
    reader.push(stream);
    while (frames < 20_000) {
      const before = frames;
      reader.resume();
      expect(frames).toBe(before + 1);
    }
    expect(performance.now() - start).toBeLessThan(2_000);
  });

  test('reads nothing any more when it is stopped, even in the middle of a read', () => {
    const got: string[] = [];
    const reader = new WsFrameReader(
      { maxFrameBytes: LIMIT, masked: true, spares: undefined },
      {
        frame: bytes => {
          got.push(Buffer.from(bytes).toString());
          reader.stop();
        },
        lend: () => false,
        place: () => undefined,
        placed: () => {},
        ping: () => got.push('ping'),
        close: () => got.push('close'),
        invalid: error => {
          throw error;
        },
      },
    );
    reader.push(Buffer.concat([first, masked(PING, ''), first]));
    reader.push(first);
    expect(got).toEqual(['first']);
  });
});
