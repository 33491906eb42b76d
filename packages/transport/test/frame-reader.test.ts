import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SpareMemory } from '../src/internal/spare-memory.js';
import { FrameReader } from '../src/tcp/frame-reader.js';
import { PLACE_HEAD_BYTES } from '../src/transport.js';

/** Everything the stream carries: each frame behind its length. */
function streamOf(frames: readonly Buffer[]): Buffer {
  return Buffer.concat(
    frames.flatMap(frame => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(frame.length);
      return [length, frame];
    }),
  );
}

function frameOf(length: number, number: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, index) => (index * 31 + number * 7 + length) & 0xff));
}

const lengths = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 4_000, max: 4_200 }), fc.constant(70_000));
/** How long a read is; 0 stands for: pause until some reads later. */
const reads = fc.array(fc.oneof(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 9_000 })), {
  maxLength: 60,
});

describe('a reader of frames', () => {
  test.each([true, false])(
    'gives each frame whole, once, in order, for good, however reads and pauses fall (memory used again: %s)',
    reused => {
      fc.assert(
        fc.property(
          fc.array(lengths, { minLength: 1, maxLength: 25 }),
          reads,
          fc.array(fc.boolean(), { maxLength: 40 }),
          fc.array(fc.boolean(), { maxLength: 40 }),
          fc.array(fc.boolean(), { maxLength: 40 }),
          (sizes, cuts, pausesAfter, places, borrows) => {
            const sent = sizes.map(frameOf);
            const stream = streamOf(sent);
            const memory = Buffer.alloc(256 * 1024);
            // Kept, and looked at only when all is over: nothing may write to a frame that was handed out.
            const got: Uint8Array[] = [];
            let place: { whole: Uint8Array } | undefined;
            let asked = 0;
            let lent = 0;
            let paused = false;
            const took = (frame: Uint8Array): void => {
              expect(paused).toBe(false);
              got.push(frame);
              if (pausesAfter[got.length % 40] !== true) return;
              paused = true;
              reader.pause();
            };
            const reader = new FrameReader(1 << 20, reused ? new SpareMemory() : undefined, {
              frame: took,
              lend: frame => {
                expect(reused).toBe(true);
                if (borrows[lent++ % 40] !== true) return false;
                took(Buffer.from(frame));
                return true;
              },
              place: (head, bytes) => {
                if (places[asked++ % 40] !== true) return undefined;
                const whole = new Uint8Array(bytes);
                whole.set(head);
                place = { whole };
                return whole.subarray(PLACE_HEAD_BYTES);
              },
              placed: () => took((place as { whole: Uint8Array }).whole),
              invalid: error => {
                throw error;
              },
            });
            const resume = (): void => {
              while (paused) {
                paused = false;
                reader.resume();
              }
            };
            let at = 0;
            for (let index = 0; at < stream.length; index++) {
              const length = Math.min(index < cuts.length ? (cuts[index] as number) : 50_000, stream.length - at);
              if (length === 0) {
                resume();
                continue;
              }
              const piece = stream.subarray(at, at + length);
              at += length;
              if (reused) {
                piece.copy(memory);
                reader.push(memory.subarray(0, length));
                // The next read of whichever socket.
                memory.fill(0xee, 0, length);
              } else {
                reader.push(Buffer.from(piece));
              }
            }
            resume();
            expect(reader.midFrame).toBe(false);
            expect(got.length).toBe(sent.length);
            for (const [index, frame] of got.entries()) expect(Buffer.compare(frame, sent[index] as Buffer)).toBe(0);
          },
        ),
        { numRuns: 300 },
      );
    },
  );
});
