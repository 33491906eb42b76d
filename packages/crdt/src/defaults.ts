/** Buckets of an {@link AwMap}: all replicas of one map must use the same number, for it decides which key shares whose context. */
export const DEFAULT_BUCKET_COUNT = 1024;

/** Buckets in one group of the digest: comparing costs one group list, then the leaves of the groups that differ. */
export const DIGEST_GROUP_SIZE = 32;

/** How far, in milliseconds, a remote hybrid timestamp may lead the local wall clock before it is clamped. */
export const DEFAULT_MAX_CLOCK_LEAD = 60_000;
