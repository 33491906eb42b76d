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
/** Dead letters kept for those who subscribe late. */
export const DEAD_LETTERS_KEPT = 100;
/** Crash reports logged within {@link CRASH_LOG_WITHIN}; more are counted and reported in one line. */
export const CRASH_LOG_LIMIT = 20;
/** Milliseconds over which crash reports are counted. */
export const CRASH_LOG_WITHIN = 10_000;
