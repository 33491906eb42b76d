import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createCodec } from '../src/index.js';
import { Arenas } from '../src/internal/arena.js';
import type { FrameSink } from '../src/internal/frame-sink.js';
import { BATCH_HEADER, FRAGMENT_HEADER, FRAME_BATCH, readUint32 } from '../src/internal/frames.js';
import { Outbound } from '../src/internal/outbound.js';

test('memory that nobody holds is written again; what is held waits until it is let go', () => {
  const arenas = new Arenas();
  const first = arenas.next(undefined);
  expect(arenas.next(first)).toBe(first);
  first.hold();
  first.hold();
  const second = arenas.next(first);
  expect(second).not.toBe(first);
  first.release();
  second.hold();
  const third = arenas.next(second);
  expect([first, second]).not.toContain(third);
  first.release();
  third.hold();
  expect(arenas.next(third)).toBe(first);
});

const steps = fc.array(
  fc.oneof(
    {
      weight: 20,
      arbitrary: fc.record({ send: fc.integer({ min: 1, max: 600 }), characters: fc.integer({ min: 0, max: 120 }) }),
    },
    { weight: 2, arbitrary: fc.record({ large: fc.integer({ min: 3_000, max: 40_000 }) }) },
    { weight: 8, arbitrary: fc.constant('flush' as const) },
    { weight: 6, arbitrary: fc.record({ leave: fc.integer({ min: 1, max: 4 }) }) },
  ),
  { minLength: 20, maxLength: 120 },
);

test('what was sent stands unchanged until it has left, however late and in whatever order that is, and memory comes back', () => {
  let reused = 0;
  fc.assert(
    fc.property(steps, fc.integer({ min: 2, max: 400 }), (plan, limit) => {
      const codec = createCodec();
      const got: unknown[] = [];
      const sent: unknown[] = [];
      const under: { readonly bytes: Uint8Array; readonly copy: Buffer; readonly left: () => void }[] = [];
      const buffers = new Set<ArrayBufferLike>();
      const large = new Map<number, Buffer[]>();
      const take = (frame: Buffer): void => {
        if (frame[1] === FRAME_BATCH) {
          got.push(...codec.decodeBatch(frame, BATCH_HEADER, readUint32(frame, BATCH_HEADER - 4)));
          return;
        }
        const id = readUint32(frame, 8);
        const parts = [...(large.get(id) ?? []), frame.subarray(FRAGMENT_HEADER)];
        large.set(id, parts);
        const whole = Buffer.concat(parts);
        if (whole.length === readUint32(frame, 12)) got.push(codec.decode(whole));
      };
      let sequence = 0;
      const sink: FrameSink = {
        nextSequence: () => sequence++,
        write: frame => {
          take(Buffer.from(frame));
          return true;
        },
        gathers: true,
        writePieces: (head, body, left) => {
          const frame = Buffer.concat([head, body]);
          take(frame);
          if (left !== undefined) {
            buffers.add(body.buffer);
            under.push({ bytes: body, copy: Buffer.from(body), left });
          }
          return true;
        },
      };
      const outbound = new Outbound({
        sink,
        queueBytes: 1 << 26,
        queueMessages: 1 << 20,
        whenFull: 'reject',
        monotonic: false,
        acknowledged: false,
        compression: undefined,
        credit: 1 << 28,
        fragmentBytes: 64 * 1024,
        turnBytes: 1 << 26,
      });
      const leave = (index: number): void => {
        const [each] = under.splice(index % under.length, 1);
        if (each === undefined) return;
        expect(Buffer.compare(each.bytes, each.copy)).toBe(0);
        each.left();
      };
      let batches = 0;
      for (const step of plan) {
        if (step === 'flush') {
          outbound.flush();
        } else if ('send' in step) {
          for (let index = 0; index < Math.min(step.send, limit); index++) {
            const message = [sent.length, 'x'.repeat(step.characters)];
            sent.push(message);
            outbound.push(codec.encodeParts(message), 1);
          }
        } else if ('large' in step) {
          const message = [sent.length, Array.from({ length: step.large / 40 }, (_, at) => `${at} ${'y'.repeat(30)}`)];
          sent.push(message);
          outbound.push(codec.encodeParts(message), 1);
        } else {
          for (let count = 0; count < step.leave && under.length > 0; count++) leave(step.leave * 7 + count);
        }
        batches = Math.max(batches, under.length);
      }
      outbound.flush();
      expect(got).toEqual(sent);
      for (const each of under) expect(Buffer.compare(each.bytes, each.copy)).toBe(0);
      if (sequence > buffers.size + 4) reused++;
    }),
    { numRuns: 100 },
  );
  expect(reused).toBeGreaterThan(10);
});

test('a long run of messages takes no more memory than what is under way', () => {
  const codec = createCodec();
  const buffers = new Set<ArrayBufferLike>();
  let sequence = 0;
  const outbound = new Outbound({
    sink: {
      nextSequence: () => sequence++,
      write: () => true,
      gathers: true,
      writePieces: (_head, body, left) => {
        buffers.add(body.buffer);
        left?.();
        return true;
      },
    },
    queueBytes: 1 << 26,
    queueMessages: 1 << 20,
    whenFull: 'reject',
    monotonic: false,
    acknowledged: false,
    compression: undefined,
    credit: 1 << 30,
    fragmentBytes: 64 * 1024,
    turnBytes: 1 << 26,
  });
  for (let turn = 0; turn < 200; turn++) {
    for (let index = 0; index < 500; index++) outbound.push(codec.encodeParts([turn, index, 'x'.repeat(64)]), 1);
    outbound.flush();
  }
  expect(sequence).toBeGreaterThan(100);
  expect(buffers.size).toBeLessThan(6);
});
