import { encode } from 'dns-packet';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { packetOf, toWire } from '../src/mdns-record.js';
import { MdnsWorld } from './mdns-world.js';

const service = '_foundation._tcp.local';
const stranger = { address: '10.0.0.99', port: 5_353 };

describe('mdns agents on one network', () => {
  let world: MdnsWorld;

  beforeEach(() => {
    world = new MdnsWorld();
  });

  afterEach(() => {
    world.close();
    expect(world.clock.pending).toBe(0);
  });

  const addresses = (count: number): string[] =>
    Array.from({ length: count }, (_, index) => `10.0.0.${index + 1}:${4_001 + index}`).sort();

  test('twenty that start at once find one another within two seconds', async () => {
    const nodes = Array.from({ length: 20 }, (_, index) => world.node(index + 1));
    for (const node of nodes) {
      await node.watch();
      await node.advertise();
    }
    await world.clock.advance(2_000);
    for (const node of nodes) expect(node.sees).toEqual(addresses(20));
  });

  test('stay quiet once they know one another, and know one another for hours', async () => {
    const nodes = [1, 2, 3].map(number => world.node(number));
    for (const node of nodes) {
      await node.watch();
      await node.advertise();
    }
    await world.clock.advance(120_000);
    world.sent.length = 0;
    await world.clock.advance(3 * 3_600_000);
    for (const node of nodes) {
      expect(node.sees).toEqual(addresses(3));
      // itself, then all: never a value that lacks somebody again
      const sizes = node.values.map(value => value.length);
      expect(sizes).toEqual([...sizes].sort());
    }
    const perMinute = world.sent.length / 180;
    expect(perMinute).toBeLessThan(30);
  });

  test('a late one finds the others at once', async () => {
    for (const number of [1, 2]) await world.node(number).advertise();
    await world.clock.advance(60_000);
    const late = world.node(3);
    await late.watch();
    await world.clock.advance(400);
    expect(late.sees).toEqual(addresses(2));
  });

  test('one that joins names all in its first value; one that is alone says so after a while', async () => {
    const first = world.node(1);
    await first.watch();
    await first.advertise();
    await world.clock.advance(200);
    expect(first.values).toEqual([]);
    await world.clock.advance(150);
    expect(first.values).toEqual([addresses(1)]);
    await world.clock.advance(10_000);
    const late = world.node(2);
    await late.watch();
    await late.advertise();
    await world.clock.advance(400);
    expect(late.values).toEqual([addresses(2)]);
  });

  test('those of one name in two clusters both get one, and do not name one another', async () => {
    const [one, two] = [world.node(1, {}, 'shop', 'a'), world.node(2, {}, 'bank', 'a')];
    for (const node of [one, two]) {
      await node.watch();
      await node.advertise();
    }
    await world.clock.advance(10_000);
    expect([one.sees, two.sees]).toEqual([['10.0.0.1:4001'], ['10.0.0.2:4002']]);
    const renamed = [one, two].flatMap(node => node.ctx.lines).filter(({ level }) => level === 'info');
    expect(renamed.map(({ fields }) => fields.name)).toEqual([`a (2).${service}`]);
  });

  test('tell of ten names that are taken, not of each', async () => {
    const node = world.node(1);
    await node.advertise();
    for (let round = 0; round < 400; round++) {
      await world.clock.advance(260);
      const name = world.sent.at(-1)?.packet.questions[0]?.name ?? '';
      const data = { target: 'elsewhere.local', port: 9, priority: 0, weight: 0 };
      const answers = [{ name, type: 'SRV', ttl: 120, flush: true, data } as const];
      world.say(stranger, encode(toWire(packetOf('response', { answers }))));
    }
    await world.clock.advance(10);
    const renames = node.ctx.lines.filter(({ message }) => message.includes('taken'));
    expect(renames.filter(({ level }) => level === 'info')).toHaveLength(10);
    // fifteen, and then one in five seconds
    expect(renames.length).toBeGreaterThan(20);
    expect(renames.length).toBeLessThan(45);
  });

  test('a goodbye in the name of another takes nobody away', async () => {
    const [one, two] = [world.node(1), world.node(2)];
    await one.watch();
    await two.advertise();
    await world.clock.advance(5_000);
    expect(one.sees).toEqual(['10.0.0.2:4002']);
    const announced = world.sent.find(({ from, packet }) => from === '10.0.0.2' && packet.type === 'response');
    for (let round = 0; round < 20; round++) {
      const answers = announced?.packet.answers.map(record => ({ ...record, ttl: 0 })) ?? [];
      world.say(stranger, encode(toWire(packetOf('response', { answers }))));
      await world.clock.advance(3_000);
      expect(one.sees).toEqual(['10.0.0.2:4002']);
    }
    expect(one.values).toHaveLength(1);
    await two.withdraw();
    await world.clock.advance(1_100);
    expect(one.sees).toEqual([]);
  });

  test('drop what is malformed, oversized, too much or from elsewhere, and log each kind once', async () => {
    const node = world.node(1);
    await node.watch();
    const good = encode(toWire(packetOf('query', { questions: [{ name: service, type: 'PTR' }] })));
    const looped = Buffer.concat([good.subarray(0, 12), Buffer.of(0xc0, 12, 0, 12, 0, 1)]);
    for (let round = 0; round < 50; round++) {
      world.say(stranger, looped);
      world.say(stranger, good.subarray(0, 20));
      world.say(stranger, Buffer.alloc(9_001));
      world.say({ address: '192.0.2.7', port: 5_353 }, good);
    }
    await world.clock.advance(10);
    for (let round = 0; round < 15_000; round++) world.say(stranger, good);
    await world.clock.advance(2_000);
    const logged = node.ctx.lines.map(({ level, fields }) => `${level} ${fields.reason}`);
    expect(logged.sort()).toEqual(['debug off-link', 'warn flood', 'warn malformed', 'warn oversized']);
  });

  test('report a port that is taken, and open it with growing pauses', async () => {
    world.refuses = new Error('bind EADDRINUSE 0.0.0.0:5353');
    const [one, two] = [world.node(1), world.node(2)];
    await one.watch();
    await world.clock.advance(10_000);
    expect(one.ctx.failures.length).toBeGreaterThan(2);
    expect(one.ctx.failures.length).toBeLessThan(8);
    expect(one.ctx.failures[0]).toMatchObject({ code: 'noconnection', message: expect.stringContaining('5353') });
    world.refuses = undefined;
    await two.advertise();
    await world.clock.advance(20_000);
    expect(one.sees).toEqual(['10.0.0.2:4002']);
  });

  test('advertise a node once at a time', async () => {
    const node = world.node(1);
    await node.advertise();
    await expect(node.advertise()).rejects.toMatchObject({ code: 'invalid-operation' });
    await node.withdraw();
    await node.advertise();
  });
});
