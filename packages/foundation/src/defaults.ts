/** Milliseconds that a node is given to leave in order before it is closed anyway. */
export const STOP_TIMEOUT = 10_000;
/** Shortest secret, bytes: 128 random bits. */
export const MIN_SECRET_BYTES = 16;
/** The cluster id of an application without a package name. */
export const FALLBACK_CLUSTER_ID = 'foundation';
/** Milliseconds between two beats of a thread's event loop. */
export const THREAD_BEAT = 250;
/** Milliseconds without a beat after which a thread is taken for hung. */
export const THREAD_HANG = 5_000;
/** Milliseconds that a thread may take until its node runs. */
export const THREAD_START = 30_000;
/** Where nodes listen that are found by their hosts alone. */
export const NODE_PORT = 4_370;
/** Where Kubernetes puts a pod's token. */
export const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
