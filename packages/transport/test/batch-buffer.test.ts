import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createCodec } from '../src/index.js';
import { ALIVE, BatchBuffer } from '../src/internal/batch-buffer.js';
import { BATCH_HEADER } from '../src/internal/frames.js';

const LIMIT = 64 * 1024;

describe('a batch', () => {
  test('of either form, in one piece and in two, is always alive', () => {
    expect(ALIVE.map(({ body }) => body !== undefined)).toEqual([false, true]);
  });

  test('of messages that were encoded one after the other is not copied', () => {
    const codec = createCodec();
    const batch = new BatchBuffer(LIMIT);
    for (let index = 0; index < 300; index++) batch.addParts(codec.encodeParts([index, 'x'.repeat(50)]));
    const { count, head, body } = batch.seal();
    expect([count, head.length, body?.buffer === codec.encodeParts(1).buffer.buffer]).toEqual([
      300,
      BATCH_HEADER,
      true,
    ]);
  });

  test('holds what was added, in one piece or two, however additions to several batches alternate', () => {
    const additions = fc.array(
      fc.record({
        to: fc.integer({ min: 0, max: 2 }),
        value: fc.anything({ maxDepth: 1, withNullPrototype: false }).filter(isSendable),
        how: fc.constantFrom('parts', 'bytes', 'settle', 'seal', 'elsewhere'),
      }),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(additions, fc.integer({ min: 1, max: 400 }), (steps, size) => {
        const codec = createCodec();
        const batches = [new BatchBuffer(LIMIT), new BatchBuffer(LIMIT), new BatchBuffer(LIMIT)];
        const wanted: unknown[][] = [[], [], []];
        const frames: Uint8Array[][] = [[], [], []];
        const seal = (to: number): void => {
          const batch = batches[to] as BatchBuffer;
          if (batch.count === 0) return;
          const { bytes } = batch;
          const frame = batch.seal().joined();
          expect(frame.length).toBe(bytes);
          expect(frame.length).toBeLessThanOrEqual(LIMIT);
          frames[to]?.push(frame);
        };
        for (const { to, value, how } of steps) {
          const message = [value, 'x'.repeat(size)];
          const parts = codec.encodeParts(how === 'elsewhere' ? message.toReversed() : message);
          const batch = batches[to] as BatchBuffer;
          if (how === 'seal') seal(to);
          if (how === 'settle') batch.settle();
          if (how === 'elsewhere') continue;
          if (!batch.fits(parts.bytes)) seal(to);
          if (how === 'bytes') batch.addBytes(Uint8Array.prototype.slice.call(parts.buffer, parts.start, parts.end));
          else batch.addParts(parts);
          wanted[to]?.push(message);
        }
        for (const to of [0, 1, 2]) {
          seal(to);
          const got = (frames[to] ?? []).flatMap(frame => {
            const count = new DataView(frame.buffer, frame.byteOffset).getUint32(BATCH_HEADER - 4);
            return codec.decodeBatch(frame, BATCH_HEADER, count);
          });
          expect(got).toEqual(wanted[to]);
        }
      }),
      { seed: 20_26, numRuns: 100 },
    );
  });
});

function isSendable(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || value === null;
}
