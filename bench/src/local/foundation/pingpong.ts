import { ActorSystem, silentLog } from '@foundation-ts/core';
import type { Running } from '../../bench.js';
import { Gate } from '../gate.js';
import { play } from '../work.js';
import { spawnCircle } from './relay.js';

export async function start(): Promise<Running> {
  const gate = new Gate();
  const left = await spawnCircle(new ActorSystem({ node: 'bench', log: silentLog }), 2, gate);
  return { round: size => play(size, gate, hops => left.cast('pass', hops)) };
}
