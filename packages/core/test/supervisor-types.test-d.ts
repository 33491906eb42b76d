import {
  type ActorSystem,
  actor,
  type DynamicSupervisorHandle,
  dynamicSupervisor,
  type PartitionSupervisorHandle,
  type Pid,
  partitionSupervisor,
  type SupervisorHandle,
  supervisor,
} from '@foundation-ts/core';
import { describe, expectTypeOf, test } from 'vitest';

declare const system: ActorSystem;
declare const pid: Pid;
const Counter = actor({ name: 'counter', init: (start: number) => ({ count: start }), calls: { get: s => s.count } });

describe('supervise', () => {
  test('gives the handle of the kind that was started', () => {
    expectTypeOf(system.supervise(supervisor())).resolves.toEqualTypeOf<SupervisorHandle>();
    expectTypeOf(system.supervise(dynamicSupervisor())).resolves.toEqualTypeOf<DynamicSupervisorHandle>();
    expectTypeOf(
      system.supervise(partitionSupervisor({ children: Counter(0) })),
    ).resolves.toEqualTypeOf<PartitionSupervisorHandle>();
    expectTypeOf(system.supervisorHandle(pid)).toEqualTypeOf<SupervisorHandle>();
  });

  test('takes no other actor', () => {
    // @ts-expect-error an actor is no supervisor
    void system.supervise(Counter(0));
    // @ts-expect-error a definition that was not called
    void system.supervise(Counter);
  });

  test('handles take what their kind takes', async () => {
    const app = await system.supervise(supervisor({ children: [Counter(0)] }));
    const pool = await system.supervise(dynamicSupervisor());
    const parts = await system.supervise(partitionSupervisor({ children: Counter }));
    void app.terminateChild('counter');
    void pool.terminateChild(pid);
    expectTypeOf(parts.ref(Counter, 'key').call('get')).resolves.toBeNumber();
    expectTypeOf(app.supervisor(dynamicSupervisor().definition, 'pool')).toEqualTypeOf<DynamicSupervisorHandle>();
    // @ts-expect-error children of a dynamic supervisor are known by their pids
    void pool.terminateChild('counter');
    // @ts-expect-error and those of a supervisor by their ids
    void app.terminateChild(pid);
    // @ts-expect-error the children of partitions are fixed
    parts.startChild;
    // @ts-expect-error no such operation
    void parts.ref(Counter, 1).call('reset');
    // @ts-expect-error no key
    parts.ref(Counter);
  });

  test('options are checked', () => {
    // @ts-expect-error no such strategy
    supervisor({ autoShutdown: 'some_significant' });
    // @ts-expect-error milliseconds
    supervisor({ backoff: { initial: '1s' } });
    // @ts-expect-error children are needed
    partitionSupervisor({});
  });
});
