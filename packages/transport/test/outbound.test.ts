import { expect, test } from 'vitest';
import { createCodec } from '../src/index.js';
import type { FrameSink } from '../src/internal/frame-sink.js';
import { Outbound } from '../src/internal/outbound.js';

const QUEUE_BYTES = 64 * 1024;

test('a peer that acknowledges nothing makes no fences pile up on an acknowledged channel', () => {
  let sequence = 0;
  const sink: FrameSink = {
    nextSequence: () => sequence++,
    write: () => true,
    gathers: false,
    writePieces: () => true,
  };
  const outbound = new Outbound({
    sink,
    queueBytes: QUEUE_BYTES,
    queueMessages: Number.POSITIVE_INFINITY,
    whenFull: 'reject',
    monotonic: false,
    acknowledged: true,
    compression: undefined,
    credit: 256 * 1024,
    fragmentBytes: 64 * 1024,
    turnBytes: 256 * 1024,
  });
  const codec = createCodec();
  outbound.resume(sink, 256 * 1024, 0);
  let written = 0;
  let fences = 0;
  while (fences < 100_000 && outbound.pushFence(codec.encodeParts([17, 4_000_000_000, fences]))) {
    fences++;
    outbound.flush();
    // The peer takes everything.
    outbound.grant(outbound.bytesSent - written);
    written = outbound.bytesSent;
  }
  // They may exceed what the queue may hold, but by a bounded amount.
  expect(fences).toBeGreaterThan(QUEUE_BYTES / 64);
  expect(outbound.bytesSent).toBeLessThan(QUEUE_BYTES + 2 * 1024 * 1024);
  outbound.acknowledge(fences);
  expect(outbound.pushFence(codec.encodeParts([17, 4_000_000_000, 0]))).toBe(true);
});
