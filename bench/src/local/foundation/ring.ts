import { ActorSystem, silentLog } from '@foundation-ts/core';
import type { Running } from '../../bench.js';
import { Gate } from '../gate.js';
import { places, sendRound } from '../work.js';
import { spawnCircle } from './relay.js';

export async function start(): Promise<Running> {
  const gate = new Gate();
  const first = await spawnCircle(new ActorSystem({ node: 'bench', log: silentLog }), places, gate);
  return { round: size => sendRound(size, gate, hops => first.cast('pass', hops)) };
}
