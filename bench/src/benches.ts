import type { Bench } from './bench.js';
import { holTcp, holTcp4 } from './hol/hol.js';
import { callHundred, callSequence } from './local/call.js';
import { castBatched } from './local/cast-batched.js';
import { pingpong } from './local/pingpong.js';
import { ring } from './local/ring.js';
import { spawn } from './local/spawn.js';

export const benches: readonly Bench[] = [
  castBatched,
  callSequence,
  callHundred,
  pingpong,
  ring,
  spawn,
  holTcp,
  holTcp4,
];
