import type { Values } from '../bench.js';

/** Milliseconds of processor time that this process has used. */
function used(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/**
 * Does some work beside a timer of 1 ms that starts itself anew. `<metric>.timer.wall` is how late it was at most;
 * `<metric>.timer` counts of that only as much as the process itself worked meanwhile: on a machine that others use too, a
 * timer is also late while this process waits for a processor, which is nobody's fault here.
 */
export async function besideTimer(metric: string, work: () => Promise<Values>): Promise<Values> {
  let wall = 0;
  let own = 0;
  let due = 0;
  let usedBefore = 0;
  let timer: NodeJS.Timeout | undefined;
  const look = () => {
    const late = performance.now() - due;
    wall = Math.max(wall, late);
    own = Math.max(own, Math.min(late, used() - usedBefore));
  };
  const arm = () => {
    due = performance.now() + 1;
    usedBefore = used();
    timer = setTimeout(() => {
      look();
      arm();
    }, 1);
  };
  arm();
  const values = await work();
  // A timer that got no turn at all is late by the whole of it.
  look();
  clearTimeout(timer);
  return { ...values, [`${metric}.timer`]: own, [`${metric}.timer.wall`]: wall };
}
