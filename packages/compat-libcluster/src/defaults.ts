/** Where nodes listen unless told otherwise: Erlang's nodes ask `epmd` for each other's ports, ours agree on one. */
export const NODE_PORT = 4_370;
/** libcluster's own pause between two polls, ms. */
export const POLL_INTERVAL = 5_000;
/** libcluster's own multicast group. */
export const MULTICAST_ADDRESS = '233.252.1.32';
/** Where Rancher's metadata service answers. */
export const RANCHER_URL = 'http://rancher-metadata';
/** How long an answer of Rancher's metadata service may take in all, ms. */
export const RANCHER_TIMEOUT = 5_000;
/** Longest answer of Rancher's metadata service that is read, bytes. */
export const RANCHER_MAX_BYTES = 4 * 1024 * 1024;
/** Most nodes taken of one answer or file. */
export const MAX_NODES = 4_096;
/** Longest `.hosts.erlang` that is read, bytes. */
export const HOSTS_FILE_MAX_BYTES = 1024 * 1024;
/** Shortest secret that Foundation takes, bytes (128 bits). */
export const MIN_SECRET_BYTES = 16;
