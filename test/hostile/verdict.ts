import type { Verdict } from './arena.js';
import type { Attack } from './attack.js';

const MIB = 1024 * 1024;
/** Milliseconds for which one attack may keep the victim's event loop; machines of tests are slow, and shared. */
const LAG = 1_500;
/** Heap that the victim may keep after an attack, MiB. */
const HEAP = 24;
/** Milliseconds that a call of the healthy peer may take meanwhile. */
const LATENCY = 4_000;

/** What an attack did that it must not do; nothing: the victim held. */
export function faults(verdict: Verdict, attack: Omit<Attack, 'run'>): string[] {
  const { after, before, calls } = verdict;
  const found: string[] = [];
  if (!verdict.alive) found.push('the victim is dead');
  const heap = (after.heapUsed + after.external - before.heapUsed - before.external) / MIB;
  if (heap > (attack.heap ?? HEAP)) found.push(`${heap.toFixed(1)} MiB were kept`);
  if (after.rss > 700 * MIB) found.push(`its memory is ${(after.rss / MIB).toFixed(0)} MiB`);
  if (after.lagMax > (attack.lag ?? LAG)) found.push(`the event loop stood for ${after.lagMax.toFixed(0)} ms`);
  const { told } = attack;
  if (told !== undefined && !Object.keys(after.counts).some(key => told.test(key)))
    found.push(`nothing like ${told} was told: ${JSON.stringify(after.counts)}`);
  if (calls.failures.length > 0) found.push(`calls of the healthy peer failed: ${calls.failures[0]}`);
  if (calls.count === 0) found.push('the healthy peer was not answered');
  if (calls.max > LATENCY) found.push(`a call of the healthy peer took ${calls.max.toFixed(0)} ms`);
  const lost = verdict.healthyMembers.filter(event => / victim$/.test(event));
  if (lost.length > 0) found.push(`the healthy peer saw ${lost}`);
  return found;
}
