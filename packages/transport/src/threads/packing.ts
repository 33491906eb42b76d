import { isGivenAway } from '../internal/given-away.js';
import type { ChannelMessage } from './messages.js';

const PREFIX_BYTES = 4;
/** Shorter frames are cheaper copied together than moved to the other thread one by one. */
const MOVE_BYTES = 16 * 1024;

type Frames = Extract<ChannelMessage, { type: 'frames' }>;

/** Makes one message of the frames of a turn. Every buffer of it is to be transferred. */
export function packFrames(frames: readonly Uint8Array[]): Frames {
  const buffers: ArrayBuffer[] = [];
  const packed: boolean[] = [];
  for (let first = 0; first < frames.length; ) {
    let bytes = 0;
    let end = first;
    for (; end < frames.length && !isMovable(frames[end] as Uint8Array); end++) {
      bytes += PREFIX_BYTES + (frames[end] as Uint8Array).length;
    }
    if (end === first) {
      buffers.push((frames[end++] as Uint8Array).buffer as ArrayBuffer);
      packed.push(false);
    } else {
      buffers.push(pack(frames, first, end, bytes));
      packed.push(true);
    }
    first = end;
  }
  return { type: 'frames', buffers, packed };
}

/** The frames of a message, as views of its buffers. */
export function* unpackFrames({ buffers, packed }: Frames): Generator<Uint8Array, void, void> {
  for (let index = 0; index < buffers.length; index++) {
    const buffer = Buffer.from(buffers[index] as ArrayBuffer);
    if (packed[index] !== true) {
      yield buffer;
      continue;
    }
    for (let at = 0; at < buffer.length; ) {
      const start = at + PREFIX_BYTES;
      at = start + buffer.readUInt32LE(at);
      yield buffer.subarray(start, at);
    }
  }
}

function isMovable(frame: Uint8Array): boolean {
  const { buffer, byteLength } = frame;
  const whole = byteLength === buffer.byteLength && buffer instanceof ArrayBuffer;
  return byteLength >= MOVE_BYTES && whole && isGivenAway(frame);
}

function pack(frames: readonly Uint8Array[], first: number, end: number, bytes: number): ArrayBuffer {
  const target = Buffer.allocUnsafeSlow(bytes);
  let at = 0;
  for (let index = first; index < end; index++) {
    const frame = frames[index] as Uint8Array;
    at = target.writeUInt32LE(frame.length, at);
    target.set(frame, at);
    at += frame.length;
  }
  return target.buffer as ArrayBuffer;
}
