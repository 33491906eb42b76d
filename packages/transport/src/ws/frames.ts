/** The first byte of a frame (RFC 6455, section 5.2): whether it is the last of its message, reserved bits, and what it is. */
export const FIN = 0x80;
export const RESERVED = 0x70;
export const CONTINUATION = 0x0;
export const TEXT = 0x1;
export const BINARY = 0x2;
export const CLOSE = 0x8;
export const PING = 0x9;
export const PONG = 0xa;

/** In the second byte. */
export const MASKED = 0x80;
export const KEY_BYTES = 4;
/** Longest header with its key. */
export const MAX_HEADER = 14;
/** Longest payload of a ping, a pong and a close. */
export const MAX_CONTROL = 125;

export const NORMAL_CLOSURE = 1000;
/** Stands for a close without a code; never sent (RFC 6455, section 7.4.1). */
export const NO_CODE = 1005;
