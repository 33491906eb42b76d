/** Milliseconds that a call waits for its answer. */
export const CALL_TIMEOUT = 5_000;
/** Messages that one actor handles before the next gets its turn. */
export const SLICE_MESSAGES = 256;
/** Messages handled before the event loop gets its turn. */
export const TURN_MESSAGES = 8_192;
/** Milliseconds of handling before the event loop gets its turn. */
export const TURN_MS = 4;
/** Restarts that a supervisor allows within {@link RESTART_WITHIN} (Elixir's default). */
export const MAX_RESTARTS = 3;
/** Milliseconds over which restarts are counted. */
export const RESTART_WITHIN = 5_000;
/** Milliseconds that a worker is given to shut down before it is killed. */
export const SHUTDOWN_TIMEOUT = 5_000;
/** Milliseconds before the first restart of a supervisor with backoff. */
export const BACKOFF_INITIAL = 100;
/** Milliseconds that a supervisor with backoff waits at most. */
export const BACKOFF_MAX = 30_000;
/** The share of a backoff that chance may take off. */
export const BACKOFF_JITTER = 0.2;
/** Children of a partition supervisor. */
export const PARTITIONS = 8;
/** Milliseconds that a handler may keep the event loop before it is reported. */
export const SLOW_HANDLER = 100;
/** Milliseconds between two log lines about slow handlers. */
export const SLOW_LOG_EVERY = 1_000;
/** Messages waiting in an unbounded mailbox that are reported first; then at each doubling. */
export const LONG_MAILBOX = 10_000;
/** Milliseconds in which an actor's mailbox that was reported is not reported again at that length. */
export const LONG_MAILBOX_AGAIN = 60_000;
/** Milliseconds that a message to an actor that was handed over is answered with `moved` after its forwarding has stopped. */
export const MOVED_KEPT = 300_000;
/** Milliseconds that a task's owner waits for its result (Elixir's default). */
export const TASK_TIMEOUT = 5_000;
/** Items of a stream of tasks that are under way at a time. */
export const STREAM_CONCURRENCY = 8;
/** Dead letters kept for those who subscribe late. */
export const DEAD_LETTERS_KEPT = 100;
/** Bytes of a dead letter's payload above which only its size is kept. */
export const DEAD_LETTER_BYTES = 65_536;
/** Crash reports logged within {@link CRASH_LOG_WITHIN}; more are counted and reported in one line. */
export const CRASH_LOG_LIMIT = 20;
/** Milliseconds over which crash reports are counted. */
export const CRASH_LOG_WITHIN = 10_000;
/** Monitors that the actors of one other node may have here; one more closes the connection with it. */
export const MAX_MONITORS_PER_PEER = 100_000;
/** Monitors on an actor that are looked through for the sender's before an exit signal is sent to it ahead of what waits. */
export const MAX_MONITORS_SOUGHT = 10_000;
/** Links that the actors of one other node may have with those here. */
export const MAX_LINKS_PER_PEER = 100_000;
