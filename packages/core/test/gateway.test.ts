import {
  ActorSystem,
  type Answer,
  actor,
  type ExitReason,
  FoundationError,
  type MonitorRef,
  type PendingCall,
  Pid,
  type Ref,
  type RemoteGateway,
  RemoteName,
  silentLog,
} from '@foundation-ts/core';
import { SimulatedClock, settle } from '@foundation-ts/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import { Counter, Puppet, rejection, Trapper } from './support.js';

/** Two systems joined without a network: what one sends the other has received at once; `cut` loses everything. */
class Wire implements RemoteGateway {
  readonly from: ActorSystem;
  readonly to: ActorSystem;
  cut = false;
  spawning: Promise<void> = Promise.resolve();

  constructor(from: ActorSystem, to: ActorSystem) {
    this.from = from;
    this.to = to;
    from.gateway = this;
  }

  cast(to: Pid | RemoteName, op: string, payload: unknown): void {
    if (!this.cut) this.to.receive(to instanceof Pid ? to.id : to.name, op, payload, undefined, undefined);
  }

  call(to: Pid | RemoteName, op: string, payload: unknown, _options: unknown, call: PendingCall): void {
    if (op === 'unsendable') throw new FoundationError('not-sendable', 'no');
    this.to.receive(to instanceof Pid ? to.id : to.name, op, payload, call, undefined);
  }

  offer(to: Pid | RemoteName, op: string, payload: unknown, _options: unknown, call: PendingCall): void {
    this.to.receive(to instanceof Pid ? to.id : to.name, op, payload, undefined, call);
  }

  async spawn(_on: string, start: Parameters<RemoteGateway['spawn']>[1]): Promise<Pid> {
    await this.spawning;
    return (await this.to.spawn(start)).pid;
  }

  link(from: Pid, to: Pid): void {
    if (!this.cut) this.to.receiveLink(from, to);
  }

  unlink(from: Pid, to: Pid): void {
    if (!this.cut) this.to.receiveUnlink(from, to);
  }

  exit(from: Pid, to: Pid, reason: ExitReason, viaLink: boolean): void {
    if (!this.cut) this.to.receiveExit(from, to, reason, viaLink);
  }

  monitor(from: Pid, to: Pid, monitor: MonitorRef): void {
    if (!this.cut) this.to.receiveMonitor(from, to, monitor);
  }

  demonitor(from: Pid, to: Pid, monitor: MonitorRef): void {
    if (!this.cut) this.to.receiveDemonitor(from, to, monitor);
  }

  down(from: Pid, to: Pid, monitor: MonitorRef, reason: ExitReason): void {
    if (!this.cut) this.to.receiveDown(from, monitor, reason);
  }
}

let clock: SimulatedClock;
let a: ActorSystem;
let b: ActorSystem;
let ab: Wire;
let ba: Wire;

beforeEach(() => {
  clock = new SimulatedClock();
  a = new ActorSystem({ node: 'a', incarnation: 1, clock, log: silentLog });
  b = new ActorSystem({ node: 'b', incarnation: 2, clock, log: silentLog });
  ab = new Wire(a, b);
  ba = new Wire(b, a);
});

describe('messages to another node', () => {
  test('go to pids and to names, with answers, failures and acceptance', async () => {
    const there = await b.spawn(Counter(1), { name: 'counter' });
    for (const ref of [a.ref<typeof Counter>(there.pid), a.refOn<typeof Counter>('b', 'counter')]) {
      ref.cast('add', 1);
      await ref.offer('add', 1);
    }
    expect(await a.ref<typeof Counter>(there.pid).call('get')).toBe(5);
    expect(await rejection(a.refOn<typeof Counter>('b', 'nobody').call('get'))).toMatchObject({ code: 'noproc' });
    expect(await rejection(a.ref(there.pid).call('unsendable' as never))).toMatchObject({ code: 'not-sendable' });
    a.refOn<typeof Counter>('b', 'nobody').cast('add', 1);
    a.ref<typeof Counter>(new Pid('b', 2, 999)).cast('add', 1);
    expect(b.deadLetters.recent.map(letter => letter.reason)).toEqual(['noproc', 'noproc']);
    expect(a.deadLetters.count).toBe(0);
  });

  test('a spawn there gives a ref; its spawner’s end meanwhile ends it too', async () => {
    const remote = await a.spawn(Counter(7), { on: 'b' });
    expect(remote.pid.node).toBe('b');
    expect(await remote.call('get')).toBe(7);

    const puppet = await a.spawn(Puppet(undefined));
    let open: () => void = () => {};
    ab.spawning = new Promise(resolve => {
      open = resolve;
    });
    puppet.cast('run', ctx => {
      ctx.spawnLink(Counter(8), { on: 'b' }).catch(() => {});
    });
    await settle();
    a.exit(puppet.pid, 'shutdown');
    open();
    await settle();
    expect(b.processCount).toBe(1);
  });

  test('system.stop of a remote actor ends it although normal is no reason to', async () => {
    const there = await b.spawn(Counter(1));
    expect(await a.stop(there.pid)).toBe('shutdown');
  });
});

describe('links across nodes', () => {
  const linked = async (): Promise<[Ref<typeof Puppet>, Ref<typeof Trapper>]> => {
    const here = await a.spawn(Puppet(undefined));
    const there = await b.spawn(Trapper(undefined));
    await here.call('run', ctx => ctx.link(there.pid));
    return [here, there];
  };

  test('an exit crosses once, either way', async () => {
    const [here, there] = await linked();
    a.exit(here.pid, 'kill');
    expect(await there.call('seen')).toEqual([{ what: 'exit', reason: 'killed', pid: here.pid }]);

    const [here2, there2] = await linked();
    const ended = a.whenEnded(here2);
    b.exit(there2.pid, 'kill');
    expect(await ended).toBe('killed');
  });

  test('unlink crosses; an exit that was under way then is ignored', async () => {
    const [here, there] = await linked();
    await there.call('run', ctx => ctx.unlink(here.pid));
    a.receiveExit(there.pid, here.pid, 'killed', true);
    a.exit(here.pid, 'kill');
    expect(await there.call('seen')).toEqual([]);
    const other = await a.spawn(Puppet(undefined));
    a.receiveExit(new Pid('b', 2, 999), other.pid, 'shutdown', true);
    expect(await other.call('seen')).toEqual([]);
  });

  test('with what is gone there is an exit with noproc', async () => {
    const trapper = await a.spawn(Trapper(undefined));
    const gone = new Pid('b', 2, 999);
    await trapper.call('run', ctx => ctx.link(gone));
    expect(await trapper.call('seen')).toEqual([{ what: 'exit', reason: 'noproc', pid: gone }]);
  });

  test('fire with noconnection, once, when the node is lost', async () => {
    const [here, there] = await linked();
    ab.cut = true;
    ba.cut = true;
    a.nodeDown('b', 2);
    b.nodeDown('a', 1);
    a.nodeDown('b', 2);
    b.nodeDown('a', 1);
    await settle();
    expect(a.process(here.pid)).toBeUndefined();
    expect(await there.call('seen')).toEqual([{ what: 'exit', reason: 'noconnection', pid: here.pid }]);
  });

  test('of another incarnation are not touched by the loss of an old one', async () => {
    const [here] = await linked();
    a.nodeDown('b', 1);
    expect(await here.call('seen')).toEqual([]);
  });
});

describe('monitors across nodes', () => {
  test('fire once with the reason, or with noproc at once', async () => {
    const here = await a.spawn(Puppet(undefined));
    const there = await b.spawn(Counter(0));
    const gone = new Pid('b', 2, 999);
    await here.call('run', ctx => {
      ctx.monitor(there.pid);
      ctx.monitor(gone);
    });
    b.exit(there.pid, { shutdown: 1 });
    a.nodeDown('b', 2);
    expect(await here.call('seen')).toEqual([
      { what: 'down', reason: 'noproc', pid: gone },
      { what: 'down', reason: { shutdown: 1 }, pid: there.pid },
    ]);
  });

  test('demonitor, and the end of the watcher, take them off there', async () => {
    const there = await b.spawn(Counter(0));
    const watchers = () => b.process(there.pid)?.watchers?.size;
    const here = await a.spawn(Puppet(undefined));
    const monitor = (await here.call('run', ctx => ctx.monitor(there.pid))) as MonitorRef;
    await here.call('run', ctx => ctx.monitor(there.pid));
    const cancel = a.watch(there.pid, () => {});
    expect(watchers()).toBe(3);
    await here.call('run', ctx => ctx.demonitor(monitor));
    expect(watchers()).toBe(2);
    cancel();
    expect(watchers()).toBe(1);
    await a.stop(here);
    expect(watchers()).toBe(0);
  });

  test('fire with noconnection when the node is lost; its own watchers here are forgotten', async () => {
    const here = await a.spawn(Puppet(undefined));
    const there = await b.spawn(Puppet(undefined));
    await here.call('run', ctx => ctx.monitor(there.pid));
    await there.call('run', ctx => ctx.monitor(here.pid));
    const heard: ExitReason[] = [];
    a.watch(there.pid, reason => heard.push(reason));
    ab.cut = true;
    a.nodeDown('b', 2);
    expect(await here.call('seen')).toEqual([{ what: 'down', reason: 'noconnection', pid: there.pid }]);
    expect(heard).toEqual(['noconnection']);
    expect(a.process(here.pid)?.watchers?.size).toBe(0);
    ba.cut = false;
    b.exit(there.pid, 'kill');
    expect(await here.call('seen')).toHaveLength(1);
  });
});

test('a hand-over to another node forwards by the wire, answers included', async () => {
  const Journal = actor({
    name: 'journal',
    init: () => ({ notes: [] as number[] }),
    calls: { note: (s, n: number) => s.notes.push(n), all: s => s.notes },
    casts: { note: (s, n: number) => s.notes.push(n) },
  });
  const old = await a.spawn(Journal());
  const next = await b.spawn(Journal());
  const process = a.process(old.pid);
  if (process === undefined) throw new Error('gone');
  await process.seal();
  old.cast('note', 1);
  const call = old.call('note', 2);
  a.handOver(process, next.pid);
  const settledAs: unknown[] = [];
  const answer: Answer = {
    settled: false,
    remaining: () => 100,
    succeed: value => settledAs.push(value),
    fail: error => settledAs.push(error),
  };
  a.receive(old.pid.id, 'note', 3, answer, undefined);
  a.receive(old.pid.id, 'note', 4, undefined, answer);
  expect(await call).toBe(2);
  expect(await next.call('all')).toEqual([1, 2, 3, 4]);
  await settle();
  expect(settledAs).toEqual([undefined, 3]);
  expect(String(new RemoteName('b', 'x'))).toBe("'x' on b");
});
