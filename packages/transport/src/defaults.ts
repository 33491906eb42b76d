const KIB = 1024;
const MIB = 1024 * KIB;

/** Largest encoded message, bytes. */
export const DEFAULT_MESSAGE_BYTES = 64 * MIB;
/** Largest frame that any setting may ask for, bytes. */
export const DEFAULT_FRAME_BYTES = 16 * MIB;
/** Messages longer than this are cut into fragments of this size, bytes. */
export const DEFAULT_FRAGMENT_BYTES = 64 * KIB;
/** Byte credit that a receiver grants each connection of a channel. */
export const DEFAULT_WINDOW = 256 * KIB;
/** What a sender queues on one connection of a channel before `send` says `'full'`, bytes. */
export const DEFAULT_QUEUE_BYTES = 64 * MIB;
/** What one connection writes in one turn of the event loop, bytes. */
export const DEFAULT_TURN_BYTES = 256 * KIB;
/** Memory for messages that have arrived in part, per peer, bytes. */
export const DEFAULT_REASSEMBLY_BYTES = 256 * MIB;
/** How long a connection may take to prove itself, milliseconds. */
export const DEFAULT_HANDSHAKE_TIMEOUT = 2_000;
/** How long a session may take from the first proof until all its connections stand, milliseconds. */
export const DEFAULT_SESSION_TIMEOUT = 5_000;
/** How long `dial` tries, milliseconds. */
export const DEFAULT_DIAL_TIMEOUT = 5_000;
/** How long an orderly close waits for what is queued, milliseconds. */
export const DEFAULT_LINGER = 5_000;
/** Incoming connections that have not proven themselves yet; one more drops the oldest. */
export const DEFAULT_PENDING_CONNECTIONS = 256;
/** How long an incoming session waits for our own dial to the same node to be answered, milliseconds. */
export const SIMULTANEOUS_DIAL_GRACE = 1_000;
/** Messages that one connection carries interleaved at most. */
export const MAX_INTERLEAVED = 4;
/** Deepest nesting that the codec takes, levels. */
export const MAX_DEPTH = 500;
/** Binary values of at least this size bypass the encoder, are copied only when they are written, and arrive as views, bytes. */
export const EXTERNAL_BYTES = 16 * KIB;
/** Longest node name and longest cluster id, bytes of UTF-8. */
export const MAX_NAME_BYTES = 127;
/** Connections a channel may have at most. */
export const MAX_CONNECTIONS = 16;
/** Channels a node may declare at most. */
export const MAX_CHANNELS = 32;
