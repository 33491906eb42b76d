/** A frame of RFC 6455 as the tests write it, right or wrong. */
export interface TestFrame {
  readonly payload: Uint8Array;
  /** Default binary. */
  readonly opcode?: number;
  /** Default true. */
  readonly fin?: boolean;
  /** Default none: not masked. */
  readonly key?: Uint8Array;
}

export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

export function frame({ payload, opcode = BINARY, fin = true, key }: TestFrame): Buffer {
  const { length } = payload;
  const long = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const header = Buffer.alloc(2 + long);
  header[0] = (fin ? 0x80 : 0) | opcode;
  header[1] = (key === undefined ? 0 : 0x80) | (long === 0 ? length : long === 2 ? 126 : 127);
  if (long === 2) header.writeUInt16BE(length, 2);
  if (long === 8) header.writeBigUInt64BE(BigInt(length), 2);
  if (key === undefined) return Buffer.concat([header, payload]);
  return Buffer.concat([header, key, Uint8Array.from(payload, (byte, index) => byte ^ (key[index & 3] as number))]);
}

/** A message in as many frames as `cuts` say, with `between` before each but the first. */
export function pieces(
  message: Uint8Array,
  cuts: readonly number[],
  between: () => Buffer,
  key: () => Uint8Array | undefined,
): Buffer {
  const ends = [...cuts.map(cut => cut % (message.length + 1)).sort((left, right) => left - right), message.length];
  let start = 0;
  return Buffer.concat(
    ends.flatMap((end, index) => {
      const masked = key();
      const piece = frame({
        payload: message.subarray(start, end),
        opcode: index === 0 ? BINARY : 0,
        fin: index === ends.length - 1,
        ...(masked === undefined ? {} : { key: masked }),
      });
      start = end;
      return index === 0 ? [piece] : [between(), piece];
    }),
  );
}
