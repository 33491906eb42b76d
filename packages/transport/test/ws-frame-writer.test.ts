import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { WsFrameWriter } from '../src/ws/frame-writer.js';

const lengths = [1, 3, 125, 126, 127, 8_192, 8_193, 65_535, 65_536, 65_552, 70_001];

/** What a receiver makes of frames (RFC 6455, section 5). */
function read(stream: Buffer, masked: boolean): { payloads: Buffer[]; keys: string[] } {
  const payloads: Buffer[] = [];
  const keys: string[] = [];
  for (let at = 0; at < stream.length; ) {
    expect([stream[at], (stream[at + 1] as number) >> 7]).toEqual([0x82, masked ? 1 : 0]);
    const short = (stream[at + 1] as number) & 0x7f;
    at += 2;
    let length = short;
    if (short === 126) {
      length = stream.readUInt16BE(at);
      at += 2;
    } else if (short === 127) {
      length = Number(stream.readBigUInt64BE(at));
      at += 8;
    }
    // The shortest form is the only one allowed.
    expect(short < 126 || length > (short === 126 ? 125 : 65_535)).toBe(true);
    const key = masked ? stream.subarray(at, at + 4) : Buffer.alloc(4);
    at += masked ? 4 : 0;
    payloads.push(stream.subarray(at, at + length).map((byte, index) => byte ^ (key[index & 3] as number)) as Buffer);
    keys.push(key.toString('hex'));
    at += length;
  }
  return { payloads, keys };
}

describe.each([true, false])('frames of a WebSocket (masked: %s)', masked => {
  test('hold what was sent, of one piece or two, and leave it alone', () => {
    const stream = new PassThrough({ highWaterMark: 100_000_000 });
    const writer = new WsFrameWriter(stream as unknown as Socket, masked);
    const sent: Buffer[] = [];
    for (const length of lengths) {
      for (const first of [length, 1, length >> 1]) {
        if (first === 0) continue;
        const bytes = Buffer.from(Uint8Array.from({ length }, (_, index) => index * 7 + length));
        writer.write(bytes.subarray(0, first), first < length ? bytes.subarray(first) : undefined);
        sent.push(bytes);
        expect(bytes.every((byte, index) => byte === ((index * 7 + length) & 0xff))).toBe(true);
      }
    }
    const { payloads, keys } = read(stream.read() as Buffer, masked);
    expect(payloads.length).toBe(sent.length);
    expect(payloads.every((payload, index) => Buffer.compare(payload, sent[index] as Buffer) === 0)).toBe(true);
    if (masked) expect(new Set(keys).size).toBe(keys.length);
  });

  test('are not written over before they have left', async () => {
    const stream = new PassThrough({ highWaterMark: 1 });
    const writer = new WsFrameWriter(stream as unknown as Socket, masked);
    const chunks: Buffer[] = [];
    for (let index = 0; index < 100; index++) writer.write(Buffer.alloc(60_000, index), undefined);
    for await (const chunk of stream) {
      chunks.push(Buffer.from(chunk as Buffer));
      if (chunks.reduce((sum, { length }) => sum + length, 0) >= 100 * 60_004) break;
    }
    const { payloads } = read(Buffer.concat(chunks), masked);
    expect(payloads.every((payload, index) => payload.every(byte => byte === index))).toBe(true);
    expect(payloads.length).toBe(100);
  });
});
