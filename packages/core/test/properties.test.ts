import {
  type ActorSystem,
  actor,
  type ChildSpec,
  child,
  dynamicSupervisor,
  type ExitReason,
  type MonitorRef,
  type Process,
  type Ref,
  type Restart,
  type Strategy,
  supervisor,
} from '@foundation-ts/core';
import { settle } from '@foundation-ts/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bench } from './support.js';

// A failing run prints its seed and the smallest case; replay it with FAST_CHECK_SEED.
const seed = process.env.FAST_CHECK_SEED === undefined ? {} : { seed: Number(process.env.FAST_CHECK_SEED) };

describe('random trees under random kills', () => {
  interface Leaf {
    readonly kind: 'leaf';
    readonly restart: Restart;
    readonly traps: boolean;
    readonly slow: boolean;
  }
  interface Branch {
    readonly kind: 'branch';
    readonly restart: Restart;
    readonly strategy: Strategy | 'dynamic';
    readonly maxRestarts: number;
    readonly children: readonly (Leaf | Branch)[];
  }
  interface Blow {
    readonly at: number;
    readonly how: 'kill' | 'shutdown' | 'crash' | 'stop';
    readonly settle: boolean;
  }

  const restart = fc.constantFrom<Restart>('permanent', 'transient', 'temporary');
  const leaf: fc.Arbitrary<Leaf> = fc.record({
    kind: fc.constant('leaf' as const),
    restart,
    traps: fc.boolean(),
    slow: fc.boolean(),
  });
  const branch = (depth: number): fc.Arbitrary<Branch> =>
    fc.record({
      kind: fc.constant('branch' as const),
      restart,
      strategy: fc.constantFrom<Branch['strategy']>('one_for_one', 'one_for_all', 'rest_for_one', 'dynamic'),
      maxRestarts: fc.integer({ min: 0, max: 4 }),
      children: fc.array(depth === 0 ? leaf : fc.oneof(leaf, branch(depth - 1)), { maxLength: 4 }),
    });
  const blows = fc.array(
    fc.record({
      at: fc.nat(1_000),
      how: fc.constantFrom<Blow['how']>('kill', 'shutdown', 'crash', 'stop'),
      settle: fc.boolean(),
    }),
    { minLength: 1, maxLength: 15 },
  );

  interface WorkerInit {
    readonly started: (process: Process) => void;
    readonly slow: boolean;
  }
  const worker = (name: string, trapExit: boolean) =>
    actor({
      name,
      trapExit,
      init: (init: WorkerInit, ctx): { slow: boolean } | Promise<{ slow: boolean }> => {
        init.started((ctx as unknown as { process: Process }).process);
        return init.slow ? Promise.resolve({ slow: true }) : { slow: false };
      },
      casts: {
        crash: () => {
          throw new Error('crash');
        },
      },
      terminate: (s: { slow: boolean }) => (s.slow ? Promise.resolve() : undefined),
    });
  const [Worker, Trapping] = [worker('worker', false), worker('trapping', true)];

  /** The specification, and a note of each start: by the supervisor that it was under and the child's path in the tree. */
  function specOf(node: Leaf | Branch, path: string, starts: Map<string, number>, depth: number): ChildSpec {
    if (node.kind === 'leaf') {
      const started = (process: Process): void => {
        const key = `${process.parent} ${path}`;
        starts.set(key, (starts.get(key) ?? 0) + 1);
      };
      return child((node.traps ? Trapping : Worker)({ started, slow: node.slow }), { id: path, restart: node.restart });
    }
    const { maxRestarts } = node;
    if (node.strategy === 'dynamic' && depth > 0) {
      return child(dynamicSupervisor({ maxRestarts }), { id: path, restart: node.restart });
    }
    const children = node.children.map((one, n) => specOf(one, `${path}.${n}`, starts, depth + 1));
    const strategy = node.strategy === 'dynamic' ? 'one_for_one' : node.strategy;
    return child(supervisor({ strategy, maxRestarts, children }), { id: path, restart: node.restart });
  }

  function strike(system: ActorSystem, { at, how }: Blow): void {
    const all = [...system.processes()];
    const target = all[at % all.length];
    if (target === undefined) return;
    if (how === 'stop') void system.stop(target.pid, 'normal', 1_000);
    else if (how === 'crash') target.enqueueCast('crash', undefined);
    else system.exit(target.pid, how);
  }

  function expectNoOrphan(system: ActorSystem, root: Process): void {
    for (const process of system.processes()) {
      if (process === root) continue;
      const parent = process.parent === undefined ? undefined : system.process(process.parent);
      if (parent === undefined) throw new Error(`${process} has lost its parent`);
      const known = [...(parent.state as { entries(): Iterable<{ process: Process | undefined }> }).entries()];
      expect(
        known.some(entry => entry.process === process),
        `${process} is known to its supervisor`,
      ).toBe(true);
    }
  }

  test('afterwards there is no orphan, and no supervisor has restarted more than its intensity', async () => {
    await fc.assert(
      fc.asyncProperty(branch(2), blows, async (tree, list) => {
        const { system, clock } = bench();
        const starts = new Map<string, number>();
        const spec = specOf(tree, 'root', starts, 0);
        const limits = new Map<string, number>();
        const note = (): void => {
          for (const process of system.processes()) {
            if (process.program.supervisor) {
              limits.set(String(process.pid), (process.start.argument as { maxRestarts: number }).maxRestarts);
            }
          }
        };
        const app = await system.supervise(spec.start as Parameters<ActorSystem['supervise']>[0]);
        const root = system.process(app.pid) as Process;
        for (const process of [...system.processes()]) {
          if (process.program.name !== 'dynamic-supervisor') continue;
          const under = specOf(
            { kind: 'leaf', restart: 'permanent', traps: false, slow: false },
            `under ${process.pid}`,
            starts,
            9,
          );
          await system.refTo(process).call('startChild' as never, under as never);
        }
        note();
        for (const blow of list) {
          strike(system, blow);
          if (blow.settle) await settle();
          note();
        }
        // Shutdown limits are the only thing that may still take time; restarts stay within one window.
        await clock.advance(4_000);
        note();
        if (root.alive) expectNoOrphan(system, root);
        else expect(system.processCount).toBe(0);
        for (const [key, count] of starts) {
          const limit = limits.get(key.split(' ')[0] ?? '');
          if (limit !== undefined) expect(count, key).toBeLessThanOrEqual(limit + 1);
        }
        await system.shutdown();
        expect(system.processCount).toBe(0);
        expect(clock.pending).toBeLessThanOrEqual(1);
      }),
      { numRuns: 150, ...seed },
    );
  });
});

describe('random monitors under random ends', () => {
  const Watcher = actor({
    name: 'watcher',
    init: (fired: MonitorRef[]) => ({ fired }),
    calls: {
      watch: (_s, ref: Ref, ctx) => ctx.monitor(ref),
      // Says what had fired by then.
      unwatch: (s, monitor: MonitorRef, ctx) => {
        ctx.demonitor(monitor);
        return s.fired.includes(monitor);
      },
    },
    casts: { nothing: () => {} },
    onDown: (s, down) => {
      s.fired.push(down.monitor);
    },
  });
  const step = fc.oneof(
    fc.record({ do: fc.constant('watch' as const), who: fc.nat(2), whom: fc.nat(3) }),
    fc.record({ do: fc.constant('unwatch' as const), who: fc.nat(20), whom: fc.nat(3) }),
    fc.record({ do: fc.constant('end' as const), who: fc.nat(2), whom: fc.nat(3) }),
    fc.record({ do: fc.constant('end-watcher' as const), who: fc.nat(2), whom: fc.nat(3) }),
    fc.record({ do: fc.constant('settle' as const), who: fc.nat(2), whom: fc.nat(3) }),
  );

  test('each fires exactly once, unless it was taken off before or its watcher ended', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async steps => {
        const { system } = bench();
        const fired: MonitorRef[] = [];
        const watchers = await Promise.all([0, 1, 2].map(() => system.spawn(Watcher(fired))));
        const targets = await Promise.all([0, 1, 2, 3].map(() => system.spawn(Watcher([]))));
        const made: { watcher: Ref<typeof Watcher>; monitor?: MonitorRef; off?: boolean; before?: boolean }[] = [];
        const pending: Promise<unknown>[] = [];
        for (const { do: what, who, whom } of steps) {
          const watcher = watchers[who % 3] as Ref<typeof Watcher>;
          const target = targets[whom] as Ref<typeof Watcher>;
          if (what === 'watch') {
            const entry: (typeof made)[number] = { watcher };
            made.push(entry);
            pending.push(
              watcher.call('watch', target).then(
                monitor => {
                  entry.monitor = monitor;
                },
                () => {},
              ),
            );
          } else if (what === 'unwatch') {
            const entry = made[who % Math.max(1, made.length)];
            if (entry?.monitor === undefined) continue;
            pending.push(
              entry.watcher.call('unwatch', entry.monitor).then(
                had => {
                  entry.off = true;
                  entry.before ??= had;
                },
                () => {},
              ),
            );
          } else if (what === 'end') system.exit(target.pid, 'shutdown');
          else if (what === 'end-watcher') system.exit(watcher.pid, 'kill');
          else await settle();
        }
        await Promise.all(pending);
        await settle();
        for (const target of targets) system.exit(target.pid, 'kill');
        await settle();
        for (const { watcher, monitor, off, before } of made) {
          if (monitor === undefined) continue;
          const count = fired.filter(one => one === monitor).length;
          if (off === true) expect(count).toBe(before === true ? 1 : 0);
          else if (system.process(watcher.pid) === undefined) expect(count).toBeLessThanOrEqual(1);
          else expect(count).toBe(1);
        }
        await system.shutdown();
      }),
      { numRuns: 300, ...seed },
    );
  });
});

describe('random traffic under random ends', () => {
  interface Counts {
    casts: number;
    offers: number;
    calls: number;
  }
  const make = (capacity: number, overflow: 'reject' | 'drop-newest' | 'drop-oldest') =>
    actor({
      name: 'target',
      init: (handled: Counts) => ({ handled }),
      calls: {
        call: (s, how: 'now' | 'later' | 'crash') => {
          s.handled.calls++;
          if (how === 'crash') throw new Error('crash');
          return how === 'now' ? 1 : Promise.resolve(1);
        },
      },
      casts: {
        cast: (s, crash: boolean) => {
          s.handled.casts++;
          if (crash) throw new Error('crash');
        },
        offered: s => {
          s.handled.offers++;
        },
        later: async s => {
          s.handled.casts++;
          await Promise.resolve();
        },
      },
      mailbox: { capacity, overflow },
    });
  const step = fc.record({
    do: fc.constantFrom(
      'cast',
      'cast',
      'later',
      'call',
      'call',
      'offer',
      'offer',
      'crash',
      'call-crash',
      'kill',
      'stop',
      'spawn',
      'settle',
    ),
    who: fc.nat(2),
  });

  test('nothing is lost silently: handled, dead letters and failures add up to what was sent', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 80 }),
        fc.constantFrom(1, 2, 5, Number.POSITIVE_INFINITY),
        fc.constantFrom('reject' as const, 'drop-newest' as const, 'drop-oldest' as const),
        async (steps, capacity, overflow) => {
          const { system, clock } = bench();
          const handled: Counts = { casts: 0, offers: 0, calls: 0 };
          const sent: Counts = { casts: 0, offers: 0, calls: 0 };
          const Target = make(capacity, overflow);
          const refs = await Promise.all([0, 1, 2].map(() => system.spawn(Target(handled))));
          const dead: Counts = { casts: 0, offers: 0, calls: 0 };
          system.deadLetters.subscribe(letter => {
            if (letter.op === 'offered') dead.offers++;
            else dead.casts++;
          });
          let refusedOffers = 0;
          let answered = 0;
          let handledAndFailed = 0;
          let refusedCalls = 0;
          const call = (ref: (typeof refs)[number], how: 'now' | 'later' | 'crash'): void => {
            sent.calls++;
            ref.call('call', how).then(
              () => answered++,
              (error: { code: string }) => {
                if (error.code === 'handler-failed' || error.code === 'unknown-outcome') handledAndFailed++;
                else refusedCalls++;
              },
            );
          };
          for (const { do: what, who } of steps) {
            const ref = refs[who] as (typeof refs)[number];
            if (what === 'cast' || what === 'crash') {
              sent.casts++;
              ref.cast('cast', what === 'crash');
            } else if (what === 'later') {
              sent.casts++;
              ref.cast('later');
            } else if (what === 'call') call(ref, who === 1 ? 'later' : 'now');
            else if (what === 'call-crash') call(ref, 'crash');
            else if (what === 'offer') {
              sent.offers++;
              ref.offer('offered').catch(() => refusedOffers++);
            } else if (what === 'kill') system.exit(ref.pid, 'kill');
            else if (what === 'stop') void system.stop(ref);
            else if (what === 'spawn') refs[who] = await system.spawn(Target(handled));
            else await settle();
          }
          await clock.advance(10_000);
          expect(handled.casts + dead.casts).toBe(sent.casts);
          expect(handled.offers + dead.offers + refusedOffers).toBe(sent.offers);
          expect(answered + handledAndFailed + refusedCalls).toBe(sent.calls);
          expect(handled.calls).toBe(answered + handledAndFailed);
          expect(clock.pending).toBe(0);
        },
      ),
      { numRuns: 300, ...seed },
    );
  });
});

test('random links: what is connected to a crash by links goes down, unless it traps or the reason is normal', async () => {
  const Node = actor({
    name: 'node',
    init: () => ({}),
    calls: { link: (_s, to: Ref, ctx) => ctx.link(to) },
    casts: { end: (_s, reason: ExitReason, ctx) => ctx.stop(reason) },
  });
  const Wall = actor({
    name: 'wall',
    trapExit: true,
    init: () => ({}),
    calls: { link: (_s, to: Ref, ctx) => ctx.link(to) },
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.boolean(), { minLength: 2, maxLength: 8 }),
      fc.array(fc.tuple(fc.nat(7), fc.nat(7)), { maxLength: 16 }),
      fc.constantFrom<ExitReason>('normal', 'shutdown', { shutdown: 1 }),
      async (walls, pairs, reason) => {
        const { system } = bench();
        const refs = await Promise.all(walls.map((wall, n) => system.spawn(wall && n > 0 ? Wall() : Node())));
        const edges = new Map<number, Set<number>>(refs.map((_, n) => [n, new Set()]));
        for (const [left, right] of pairs.map(pair => pair.map(n => n % refs.length) as [number, number])) {
          if (left === right) continue;
          await (refs[left] as Ref<typeof Node>).call('link', refs[right] as Ref);
          edges.get(left)?.add(right);
          edges.get(right)?.add(left);
        }
        const down = new Set([0]);
        const queue = reason === 'normal' ? [] : [0];
        for (const next of queue) {
          for (const other of edges.get(next) ?? []) {
            if (down.has(other) || walls[other] === true) continue;
            down.add(other);
            queue.push(other);
          }
        }
        (refs[0] as Ref<typeof Node>).cast('end', reason);
        await settle();
        expect(refs.map(ref => system.process(ref.pid) === undefined)).toEqual(refs.map((_, n) => down.has(n)));
      },
    ),
    { numRuns: 200, ...seed },
  );
});
