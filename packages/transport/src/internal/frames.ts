/** First byte of every frame after the handshake: the version of the frame format. */
export const FRAME_VERSION = 1;
/** Version, type, flags, reserved, and a 32-bit sequence number. */
export const FRAME_HEADER = 8;

/** Opens a session, or answers that; a value. */
export const FRAME_INTRODUCE = 1;
/** Binds a further connection to a session; a value. */
export const FRAME_BIND = 2;
/** Answers {@link FRAME_BIND}; nothing. */
export const FRAME_BOUND = 3;
/** The dialler has seen all connections bound; nothing. */
export const FRAME_READY = 4;
/** Refuses what was asked; a value. The connection is closed after it. */
export const FRAME_REFUSE = 5;
/** Small messages, as one MessagePack array. */
export const FRAME_BATCH = 6;
/** A piece of a large message: its number, its whole length, bytes. */
export const FRAME_FRAGMENT = 7;
/** Bytes that the receiver of it may send more. */
export const FRAME_CREDIT = 8;
/** Nothing more comes on this connection. */
export const FRAME_GOODBYE = 9;
/** On an acknowledged channel: how many messages the receiver has handled so far; 64 bits. */
export const FRAME_ACK = 10;
/** The same when a session stands; the other side answers with {@link FRAME_START}. */
export const FRAME_RESUME = 11;
/** The number of the first message that follows; 64 bits. */
export const FRAME_START = 12;
/** To be answered at once with the same number; 32 bits. */
export const FRAME_PING = 13;
export const FRAME_PONG = 14;
/** No more messages come on this connection: its channel is closed. It ends when both sides have said so. */
export const FRAME_RETIRE = 15;
/** The last type that belongs to a channel. */
export const FRAME_LAST = 15;
/** On the first connection of a session: the channels that the speaker declares from now on; a value. */
export const FRAME_OFFERS = 16;
/** Binds a connection of a channel that was opened at run time to a session that stands; a value. {@link FRAME_BOUND} answers. */
export const FRAME_JOIN = 17;

/** {@link FRAME_HEADER} and the header of a MessagePack array. */
export const BATCH_HEADER = FRAME_HEADER + 5;
/** {@link FRAME_HEADER}, the message's number, its length. */
export const FRAGMENT_HEADER = FRAME_HEADER + 8;

export const FLAG_FIRST = 1;
export const FLAG_LAST = 2;
/** Where the algorithm stands in the flags of a message's first fragment: 0 none, 1 gzip, 2 zstd. */
export const FLAG_ALGORITHM_SHIFT = 2;

/** Writes a frame's header at `offset`. */
export function writeHeader(bytes: Uint8Array, offset: number, type: number, flags: number, sequence: number): void {
  bytes[offset] = FRAME_VERSION;
  bytes[offset + 1] = type;
  bytes[offset + 2] = flags;
  bytes[offset + 3] = 0;
  writeUint32(bytes, offset + 4, sequence);
}

export function writeUint32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24;
  bytes[offset + 1] = value >>> 16;
  bytes[offset + 2] = value >>> 8;
  bytes[offset + 3] = value;
}

/** 0 to 2^32 − 1; bytes beyond the end count as 0. */
export function readUint32(bytes: Uint8Array, offset: number): number {
  return (
    (((bytes[offset] ?? 0) << 24) |
      ((bytes[offset + 1] ?? 0) << 16) |
      ((bytes[offset + 2] ?? 0) << 8) |
      (bytes[offset + 3] ?? 0)) >>>
    0
  );
}

export function writeCount(bytes: Uint8Array, offset: number, value: number): void {
  writeUint32(bytes, offset, Math.floor(value / 0x1_0000_0000));
  writeUint32(bytes, offset + 4, value >>> 0);
}

/** 0 to 2^64 − 1, exact up to 2^53. */
export function readCount(bytes: Uint8Array, offset: number): number {
  return readUint32(bytes, offset) * 0x1_0000_0000 + readUint32(bytes, offset + 4);
}
