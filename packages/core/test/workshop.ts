import { actor, type ChildSpec, child, type ExitReason, type Restart, type Shutdown } from '@foundation-ts/core';

/** Workers that write down how they start and end; `failing` says how often each is to fail to start from now on. */
export function workshop() {
  const events: string[] = [];
  const failing = new Map<string, number>();
  const Worker = actor({
    name: 'worker',
    init: (name: string) => {
      const left = failing.get(name) ?? 0;
      if (left > 0) {
        failing.set(name, left - 1);
        events.push(`fail ${name}`);
        throw new Error(`${name} does not start`);
      }
      events.push(`start ${name}`);
      return { name };
    },
    calls: { name: s => s.name },
    casts: {
      end: (_s, reason: ExitReason, ctx) => {
        if (reason instanceof Error) throw reason;
        ctx.stop(reason);
      },
    },
    terminate: (s, reason) => {
      events.push(`end ${s.name} ${reason instanceof Error ? 'error' : JSON.stringify(reason)}`);
    },
  });
  const worker = (name: string, restart: Restart = 'permanent', shutdown: Shutdown = 5_000): ChildSpec =>
    child(Worker(name), { id: name, restart, shutdown });
  const significant = (name: string, restart: Restart = 'transient'): ChildSpec =>
    child(Worker(name), { id: name, restart, significant: true });
  return { events, failing, Worker, worker, significant };
}
