/** Milliseconds that a node is given to leave in order before it is closed anyway. */
export const STOP_TIMEOUT = 10_000;
/** Shortest secret, bytes: 128 random bits. */
export const MIN_SECRET_BYTES = 16;
/** The cluster id of an application without a package name. */
export const FALLBACK_CLUSTER_ID = 'foundation';
