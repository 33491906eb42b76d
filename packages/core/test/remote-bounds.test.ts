import { describe, expect, test } from 'vitest';
import { ActorSystem, actor, Pid, type RemoteGateway, silentLog } from '../src/index.js';

const LIMIT = 100_000;
const Watched = actor({ name: 'watched', init: () => ({}), calls: { get: () => 1 } });
const gateway = new Proxy({} as RemoteGateway, { get: () => () => {} });
const remote = (id: number, incarnation = 1): Pid => new Pid('elsewhere', incarnation, id);

async function system(): Promise<{ system: ActorSystem; pid: Pid; other: Pid }> {
  const made = new ActorSystem({ node: 'here', log: silentLog });
  made.gateway = gateway;
  const { pid } = await made.spawn(Watched());
  const { pid: other } = await made.spawn(Watched());
  return { system: made, pid, other };
}

describe('what the actors of one other node may hold here', () => {
  test('monitors: 100,000; those taken off, repeated, or of actors that have ended do not count', async () => {
    const { system: here, pid, other } = await system();
    for (let n = 0; n < LIMIT - 1; n++) here.receiveMonitor(remote(n), pid, n);
    here.receiveMonitor(remote(0), pid, 0);
    here.receiveMonitor(remote(1), other, LIMIT);
    const oneMore = (): void => here.receiveMonitor(remote(2), other, LIMIT + 1);
    expect(oneMore).toThrow(expect.objectContaining({ code: 'protocol' }));
    here.receiveMonitor(remote(2, 2), other, 1);
    here.receiveDemonitor(remote(5), pid, 5);
    here.receiveDemonitor(remote(5), pid, 5);
    oneMore();
    expect(() => here.receiveMonitor(remote(3), other, LIMIT + 2)).toThrow(
      expect.objectContaining({ code: 'protocol' }),
    );
    here.exit(pid, 'kill');
    await here.whenEnded(pid);
    for (let n = 0; n < LIMIT - 2; n++) here.receiveMonitor(remote(n), other, n);
    expect(() => here.receiveMonitor(remote(3), other, LIMIT + 2)).toThrow(
      expect.objectContaining({ code: 'protocol' }),
    );
    here.nodeDown('elsewhere', 1);
    oneMore();
  });

  test('links: 100,000, those that have ended not counted', async () => {
    const { system: here, pid, other } = await system();
    for (let n = 1; n <= LIMIT; n++) here.receiveLink(remote(n), pid);
    const oneMore = (): void => here.receiveLink(remote(1), other);
    expect(oneMore).toThrow(expect.objectContaining({ code: 'protocol' }));
    here.receiveUnlink(remote(7), pid);
    oneMore();
    expect(() => here.receiveLink(remote(2), other)).toThrow(expect.objectContaining({ code: 'protocol' }));
    here.nodeDown('elsewhere', 1);
    const { pid: third } = await here.spawn(Watched());
    here.receiveLink(remote(3), third);
  });
});

test('an exit signal goes ahead, with the monitors of its sender on that actor, however many others are monitored', async () => {
  const { system: here, pid } = await system();
  const early: unknown[] = [];
  here.gateway = new Proxy({} as RemoteGateway, {
    get: (_target, name) => (name === 'exitEarly' ? (...given: unknown[]) => early.push(given) : () => {}),
  });
  const watcher = here.process(pid);
  if (watcher === undefined) throw new Error('it lives');
  for (let n = 1; n <= 20_000; n++) {
    here.watch(remote(n), () => {});
    here.monitor(watcher, remote(n));
  }
  const monitor = here.monitor(watcher, remote(7));
  here.exit(remote(7), 'shutdown', pid);
  here.exit(remote(8), 'shutdown');
  expect(early).toEqual([
    [pid, remote(7), 'shutdown', { viaLink: false, linked: false, monitors: [14, monitor] }],
    [new Pid('here', here.incarnation, 0), remote(8), 'shutdown', { viaLink: false, linked: false, monitors: [15] }],
  ]);
  for (let n = 0; n < 10_000; n++) here.monitor(watcher, remote(9));
  here.exit(remote(9), 'shutdown', pid);
  expect(early).toHaveLength(2);
});
