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
/** Bounds of a window that follows the link, bytes. */
export const MIN_ADAPTIVE_WINDOW = 64 * KIB;
export const MAX_ADAPTIVE_WINDOW = 16 * MIB;
/** What the windows of all channels of one peer may grow by together, bytes. */
export const WINDOW_SHARE = 32 * MIB;
/** A window is this many times what the link carries in its least round trip. */
export const WINDOW_GAIN = 2;
/** Round trips count as this long at least, milliseconds: of two processes of one machine less is measured, but no read, copy and write done. */
export const WINDOW_MIN_ROUND_TRIP = 0.1;
/** What a link carries in this time may be under way on any, milliseconds. It is the delay that a busy event loop hides. */
export const WINDOW_QUEUE = 1;
/** The same for a link that has carried more than {@link WINDOW_FAST_RATE}: it hides, too, that the other process does not run for a moment. */
export const WINDOW_QUEUE_FAST = 4;
/** Bytes a millisecond, of more than one link of 1 Gbit/s. */
export const WINDOW_FAST_RATE = 200_000;
/** Most that may be under way for these reasons, bytes. */
export const WINDOW_QUEUE_BYTES = 1 * MIB;
/** A sample of the bandwidth takes a round trip, and this long at least, milliseconds. */
export const WINDOW_SAMPLE = 5;
/** Samples of the bandwidth of which the best counts. */
export const WINDOW_RATE_SAMPLES = 10;
/** After this time the least round trip is measured anew, milliseconds. */
export const MIN_ROUND_TRIP_AGE = 10_000;
/** Round trips are measured this often at most while much arrives, and while little does, milliseconds. */
export const PING_INTERVAL = 250;
export const PING_INTERVAL_QUIET = 1_000;
/** What a sender queues on one connection of a channel before `send` says `'full'`, bytes. */
export const DEFAULT_QUEUE_BYTES = 64 * MIB;
/** What one connection writes in one turn of the event loop, bytes. */
export const DEFAULT_TURN_BYTES = 256 * KIB;
/** Memory for messages that have arrived in part, per peer, bytes. */
export const DEFAULT_REASSEMBLY_BYTES = 256 * MIB;
/** How long an incoming connection may take to prove itself, milliseconds. */
export const DEFAULT_HANDSHAKE_TIMEOUT = 2_000;
/** A dialler waits so many times as long: what the listener has answered in time is not lost because it took long to arrive. */
export const DIALLER_PATIENCE = 2;
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
