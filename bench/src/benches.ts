import type { Bench } from './bench.js';
import { formationBench } from './cluster/formation.js';
import { holBenches } from './hol/hol.js';
import { busy } from './local/busy.js';
import { callAsync, callHundred, callSequence } from './local/call.js';
import { castBatched } from './local/cast-batched.js';
import { castDeep } from './local/cast-deep.js';
import { dynamicStart } from './local/dynamic-start.js';
import { idleHeap } from './local/idle-heap.js';
import { names } from './local/names.js';
import { pingpong } from './local/pingpong.js';
import { restart } from './local/restart.js';
import { ring } from './local/ring.js';
import { spawn } from './local/spawn.js';
import { remoteBenches } from './remote/remote.js';

export const benches: readonly Bench[] = [
  castBatched,
  castDeep,
  callSequence,
  callHundred,
  pingpong,
  busy,
  ring,
  spawn,
  idleHeap,
  callAsync,
  restart,
  dynamicStart,
  names,
  ...remoteBenches,
  ...holBenches,
  formationBench,
];
