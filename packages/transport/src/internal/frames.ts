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

/** {@link FRAME_HEADER} and the header of a MessagePack array. */
export const BATCH_HEADER = FRAME_HEADER + 5;
/** {@link FRAME_HEADER}, the message's number, its length. */
export const FRAGMENT_HEADER = FRAME_HEADER + 8;

export const FLAG_FIRST = 1;
export const FLAG_LAST = 2;

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
