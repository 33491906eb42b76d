import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Avahi } from '../support/avahi.js';
import { debianMissing } from '../support/debian.js';
import { Namespaces, namespacesMissing } from '../support/netns.js';
import { programCommand, Running } from '../support/programs.js';
import { until } from '../support/until.js';

const missing =
  namespacesMissing() ??
  debianMissing({
    'avahi-daemon': 'avahi-daemon',
    'avahi-browse': 'avahi-utils',
    'avahi-publish': 'avahi-utils',
    'dbus-daemon': 'dbus',
  });
if (missing !== undefined) console.warn(`mDNS is not tested against avahi: ${missing}`);

const type = '_foundation._tcp';

describe.skipIf(missing !== undefined)('mdns beside avahi', () => {
  let hosts: Namespaces;
  let avahi: Avahi;

  beforeAll(async () => {
    hosts = new Namespaces(2);
    avahi = await Avahi.start(hosts, 0);
  });

  afterAll(async () => {
    await hosts?.[Symbol.asyncDispose]();
    avahi?.[Symbol.dispose]();
  });

  const node = (name: string, port: number): Running =>
    new Running(
      hosts.run(1, ...programCommand('mdns-node', { name, clusterId: 'shop', host: hosts.address(1), port })),
    );

  test('is resolved by avahi-browse, and gone from it after its goodbye', async () => {
    const events = avahi.watch(type);
    const running = node('a.shop', 4_370);
    await until(
      () => events.includes('+ a-shop'),
      () => `avahi to see the node: ${events}; ${running.errors}`,
    );
    expect(avahi.browse(type)).toEqual([
      {
        name: 'a-shop',
        host: expect.stringMatching(/^foundation-[0-9a-f]{16}\.local$/),
        address: hosts.address(1),
        port: 4_370,
        texts: expect.arrayContaining(['txtvers=1', 'name=a.shop', 'cluster=shop', 'protocol=tcp', 'incarnation=7']),
      },
    ]);
    expect(avahi.types()).toContain(type);
    await running.end();
    await until(
      () => events.includes('- a-shop'),
      () => `the goodbye: ${events}`,
      5_000,
    );
    expect(avahi.browse(type)).toEqual([]);
  });

  test('sees what avahi publishes for its cluster alone, until avahi says goodbye', async () => {
    const running = node('b', 4_371);
    const own = `tcp://${hosts.address(1)}:4371`;
    const other = `tcp://${hosts.address(0)}:4999`;
    const set = (): string | undefined => running.last('set')?.addresses?.join(' ');
    await until(
      () => set() === own,
      () => `itself; ${running.errors}`,
    );
    const stranger = avahi.publish('stranger', type, 4_998, ['cluster=bank', 'name=stranger']);
    const friend = avahi.publish('friend', type, 4_999, ['cluster=shop', 'name=friend', 'protocol=tcp']);
    await until(
      () => set() === `${other} ${own}`,
      () => `the published one: ${set()}`,
    );
    await friend.end();
    await until(
      () => set() === own,
      () => `the goodbye: ${set()}`,
      5_000,
    );
    await stranger.end();
    expect(JSON.stringify(running.told)).not.toContain('4998');
    await running.end();
  });

  test('takes the next name where avahi has published its own', async () => {
    const holder = avahi.publish('c', type, 4_999, ['cluster=shop']);
    await until(
      () => avahi.browse(type).some(({ name }) => name === 'c'),
      () => 'avahi to have the name',
    );
    const running = node('c', 4_372);
    await until(
      () => avahi.browse(type).some(({ name, port }) => name === 'c (2)' && port === 4_372),
      () => `the next name: ${JSON.stringify(avahi.browse(type))}; ${running.errors}`,
    );
    expect(running.told.filter(told => told.type === 'log')).toHaveLength(1);
    expect(running.last('log')?.fields).toMatchObject({ name: 'c (2)._foundation._tcp.local' });
    await until(
      () => running.last('set')?.addresses?.length === 2,
      () => 'both, by their addresses',
    );
    await running.end();
    await holder.end();
  });

  test('defends its name, so that avahi takes another', async () => {
    const running = node('d', 4_373);
    await until(
      () => avahi.browse(type).some(({ name }) => name === 'd'),
      () => `the node; ${running.errors}`,
    );
    const late = avahi.publish('d', type, 4_999, ['cluster=shop']);
    await until(
      () => avahi.browse(type).some(({ name, port }) => name === 'd #2' && port === 4_999),
      () => `avahi's next name: ${JSON.stringify(avahi.browse(type))}`,
    );
    expect(avahi.browse(type).find(({ name }) => name === 'd')?.port).toBe(4_373);
    await running.end();
    await late.end();
  });

  test('finds all again after its interface was down', async () => {
    const friend = avahi.publish('friend', type, 4_999, ['cluster=shop']);
    const running = node('e', 4_374);
    const own = `tcp://${hosts.address(1)}:4374`;
    const both = `tcp://${hosts.address(0)}:4999 ${own}`;
    const sees = (wanted: string): Promise<number> =>
      until(
        () => running.last('set')?.addresses?.join(' ') === wanted,
        () => `${wanted}: ${JSON.stringify(running.told)} ${running.errors}`,
      );
    await sees(both);
    hosts.link(1, 'interface', 'down');
    await sees(own);
    hosts.link(1, 'interface', 'up');
    await sees(both);
    await until(
      () => avahi.browse(type).some(({ name }) => name === 'e'),
      () => 'avahi to see it too',
    );
    await running.end();
    await friend.end();
  });
});
