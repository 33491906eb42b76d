export { AwLwwMap, type Stamped } from './aw-lww-map.js';
export { AwMap, type AwMapInit } from './aw-map.js';
export { CausalContext, type CausalContextPlain } from './causal-context.js';
export { GCounter, type GCounterPlain, PnCounter, type PnCounterPlain } from './counters.js';
export { DEFAULT_BUCKET_COUNT, DEFAULT_MAX_CLOCK_LEAD, DIGEST_GROUP_SIZE } from './defaults.js';
export type { Digest } from './digest.js';
export { compareDots, type Dot, type Entry, sameDot } from './dot.js';
export { DotStore, type DotStorePlain } from './dot-store.js';
export { DisableWinsFlag, EnableWinsFlag } from './flags.js';
export {
  HLC_ZERO,
  Hlc,
  type HlcInit,
  type HlcReceived,
  type HlcTimestamp,
  hlcCompare,
  hlcLogical,
  hlcOf,
  hlcReceive,
  hlcTick,
  hlcWallTime,
} from './hlc.js';
export { LwwRegister, type LwwRegisterPlain } from './lww-register.js';
export {
  deltaFromPlain,
  deltaToPlain,
  type GoneReplica,
  isEmptyDelta,
  joinDeltas,
  type KeyChange,
  type MapDelta,
  type MapDeltaPlain,
} from './map-delta.js';
export {
  type BucketState,
  type MapPartial,
  type MapPartialPlain,
  partialFromPlain,
  partialToPlain,
} from './map-partial.js';
export { MvRegister } from './mv-register.js';
export { OrSet } from './or-set.js';
