/** Milliseconds between two rounds of periodic anti-entropy of a replica, each with one member; ± 20 %. */
export const ANTI_ENTROPY_INTERVAL = 10_000;
/** Most entries in one message of an anti-entropy exchange. */
export const CHUNK_ENTRIES = 512;
/** Most bucket numbers asked for in one message of an anti-entropy exchange. */
export const CHUNK_BUCKETS = 128;
/** Milliseconds that one message of an anti-entropy exchange waits for its answer. */
export const EXCHANGE_TIMEOUT = 2_000;
/** Milliseconds until an exchange that failed is tried again. */
export const EXCHANGE_RETRY = 500;
/** Members with which a replica compares itself at once when another member is lost: what the lost one told only some must get around. */
export const LOSS_EXCHANGES = 4;
/** Mutations of one turn that are pushed without waiting for the turn's end. */
export const FLUSH_AFTER = 256;
/** Milliseconds that `acked` waits for other members. */
export const ACK_TIMEOUT = 5_000;
/** Milliseconds after which replicas forget incarnations that are gone for good: 24 h. */
export const FORGET_GONE_AFTER = 86_400_000;
/** Milliseconds that a starting replica waits for the first exchange with those who are there. */
export const READY_TIMEOUT = 10_000;

/** Milliseconds after which the children of an unreachable member are started elsewhere. */
export const FAILOVER_AFTER = 3_000;
/** Milliseconds that a node takes at most to learn what the others decided, after members came or went, before it decides about children itself. */
export const AGREE_WITHIN = 2_000;
/** Milliseconds that a participant must stay before children are moved to it. */
export const REBALANCE_AFTER = 200;
/** Hand-offs of one node at a time while it rebalances. */
export const REBALANCE_CONCURRENCY = 8;
/** Hand-offs of one node at a time while it leaves. */
export const LEAVE_CONCURRENCY = 64;
/** Milliseconds that a leaving node goes on forwarding after its last hand-off. */
export const LEAVE_LINGER = 50;
/** Bytes of state that a hand-off carries at most. */
export const MAX_STATE_BYTES = 16 * 1_024 * 1_024;
/** Milliseconds that a hand-off waits for the target's answer before it asks what became of it. */
export const HAND_OFF_TIMEOUT = 10_000;
/** Milliseconds between two questions what became of a hand-off. */
export const HAND_OFF_ASK_AGAIN = 200;
/** Milliseconds for which a pid that was handed over forwards its messages; then it answers `moved`. */
export const FORWARD_WINDOW = 5_000;
/** Milliseconds that the table and the registry may differ about who runs a child before the table follows. */
export const FOLLOW_AFTER = 1_000;
/** Milliseconds that `startChild` and `terminateChild` may take. */
export const REQUEST_TIMEOUT = 5_000;
/** Milliseconds before a request is tried again with the next chooser. */
export const REQUEST_RETRY = 20;
/** Children looked at in one turn of the event loop. */
export const RECONCILE_SLICE = 1_000;
/** Milliseconds for which the entry of a terminated child is kept, so that no replica that missed it brings the child back. */
export const STOPPED_KEPT = 30_000;
