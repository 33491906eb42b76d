import type { Running } from '../../bench.js';
import { callRepeatedly } from '../work.js';
import { openCounter } from './counter.js';

export async function start(): Promise<Running> {
  const call = await openCounter();
  return { round: size => callRepeatedly('call.100', size, 100, call) };
}
