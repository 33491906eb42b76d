import { type Schedule, seededRandom } from '@foundation-ts/core';

/**
 * An order of scheduling that a seed decides, for the `schedule` of an `ActorSystem`: of the actors that have messages any may run next,
 * for any number of them. Per pair of actors the order of messages stays. The same seed gives the same order, so that a test
 * that failed can be repeated; another seed finds another interleaving.
 */
export function seededOrder(seed: number): Schedule {
  const random = seededRandom(seed);
  const below = (limit: number): number => Math.floor(random.next() * limit);
  return { pick: below, slice: most => 1 + below(Math.min(most, 4)) };
}
