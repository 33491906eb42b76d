import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createCodec } from '../src/index.js';
import type { FrameSink } from '../src/internal/frame-sink.js';
import { FRAGMENT_HEADER } from '../src/internal/frames.js';
import { LargeMessage } from '../src/internal/large-message.js';

const FRAGMENT = 64 * 1024;
const seed = 20_26;

/** Keeps the payload of each frame, and the views that were not copied. */
class Sink implements FrameSink {
  readonly gathers: boolean;
  readonly payloads: Buffer[] = [];
  readonly views: Uint8Array[] = [];
  #sequence = 0;

  constructor(gathers: boolean) {
    this.gathers = gathers;
  }

  nextSequence(): number {
    return this.#sequence++;
  }

  write(frame: Uint8Array): boolean {
    this.payloads.push(Buffer.from(frame.subarray(FRAGMENT_HEADER)));
    return true;
  }

  writePieces(head: Uint8Array, body: Uint8Array): boolean {
    this.views.push(body);
    this.payloads.push(Buffer.concat([head.subarray(FRAGMENT_HEADER), body]));
    return true;
  }

  get whole(): Buffer {
    return Buffer.concat(this.payloads);
  }
}

const codec = createCodec();
const random = (bytes: number, start: number) => new Uint8Array(bytes).map((_, index) => index * 7 + start);

function write(value: unknown, gathers: boolean, payload = FRAGMENT): { message: LargeMessage; sink: Sink } {
  const message = new LargeMessage(codec.encodeParts(value), 1, payload);
  const sink = new Sink(gathers);
  while (!message.done) message.writeTo(sink);
  return { message, sink };
}

describe('a large message', () => {
  test('leaves a large binary value where it is when the connection gathers', () => {
    const value = random(1024 * 1024, 1);
    const { sink } = write(value, true);
    expect(sink.views.every(view => view.buffer === value.buffer)).toBe(true);
    // Its last few bytes are copied behind the header of their frame.
    const uncopied = sink.views.reduce((bytes, view) => bytes + view.byteLength, 0);
    expect(uncopied).toBeGreaterThan(value.byteLength - 4_096);
    expect(codec.decode(sink.whole)).toEqual(value);
  });

  test('is cut into the same frames whether or not the connection gathers', () => {
    const sizes = fc.array(fc.integer({ min: 16 * 1024, max: 200_000 }), { maxLength: 5 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 2_000, max: 90_000 }), fc.string(), (lengths, payload, text) => {
        const value = [text, ...lengths.map(random)];
        const [copied, gathered] = [write(value, false, payload).sink, write(value, true, payload).sink];
        expect(copied.views).toEqual([]);
        expect(gathered.payloads.map(each => each.length)).toEqual(copied.payloads.map(each => each.length));
        expect(Buffer.compare(gathered.whole, Buffer.from(codec.encode(value)))).toBe(0);
        expect(Buffer.compare(copied.whole, gathered.whole)).toBe(0);
      }),
      { seed, numRuns: 50 },
    );
  });

  test('is copied where somebody else can change the size of the memory, or shares it', () => {
    const resizable = new (ArrayBuffer as unknown as new (bytes: number, init: object) => ArrayBuffer)(100_000, {
      maxByteLength: 200_000,
    });
    expect(write(new Uint8Array(resizable), true).sink.views).toEqual([]);
    expect(write(new Uint8Array(new SharedArrayBuffer(100_000)), true).sink.views).toEqual([]);
  });

  test.each([true, false])('says so when a value is gone before it was written (gathering: %s)', gathers => {
    const value = random(200_000, 3);
    const message = new LargeMessage(codec.encodeParts(value), 1, FRAGMENT);
    const sink = new Sink(gathers);
    message.writeTo(sink);
    structuredClone(value, { transfer: [value.buffer] });
    expect(() => message.writeTo(sink)).toThrow(expect.objectContaining({ code: 'invalid-operation' }));
  });

  test('can be sent again from its beginning', () => {
    const value = random(200_000, 5);
    const { message, sink } = write(value, true);
    const again = new Sink(true);
    message.restart(2);
    while (!message.done) message.writeTo(again);
    expect(Buffer.compare(again.whole, sink.whole)).toBe(0);
  });
});
