import { seededRandom } from '@foundation-ts/core';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  compareTentative,
  type Endpoint,
  type MdnsPacket,
  type MdnsRecord,
  packetOf,
  recordKey,
} from '../src/mdns-record.js';
import { ownRecords, registrationOf } from '../src/mdns-registration.js';
import {
  createMdnsState,
  type MdnsEffect,
  type MdnsInput,
  type MdnsState,
  mdnsWakeAt,
  namedByMdns,
  stepMdns,
} from '../src/mdns-state.js';
import { advertisedNode } from './context.js';
import { link, settings } from './mdns-world.js';

const service = '_foundation._tcp.local';
const peer: Endpoint = { address: '10.0.0.9', port: 5_353 };
const self = advertisedNode('a', 4_370, { address: { protocol: 'tcp', host: link.address, port: 4_370 } });

/** One state and its time. */
class Run {
  readonly state: MdnsState;
  readonly effects: { readonly at: number; readonly effect: MdnsEffect }[] = [];
  now = 0;
  readonly #random = seededRandom(1);

  constructor(init: Partial<typeof settings> = {}) {
    this.state = createMdnsState({ ...settings, ...init }, 'shop');
    this.step({ type: 'links', links: [link] });
  }

  step(input: MdnsInput): readonly MdnsEffect[] {
    const effects = stepMdns(this.state, input, { now: this.now, random: () => this.#random.next() });
    for (const effect of effects) this.effects.push({ at: this.now, effect });
    return effects;
  }

  hear(packet: MdnsPacket, from: Endpoint = peer): readonly MdnsEffect[] {
    return this.step({ type: 'received', link: link.address, packet, from });
  }

  /** Lets time pass, ticking when due. */
  pass(ms: number): void {
    const until = this.now + ms;
    for (let due = mdnsWakeAt(this.state); due <= until; due = mdnsWakeAt(this.state)) {
      this.now = Math.max(this.now, due);
      this.step({ type: 'tick' });
    }
    this.now = until;
  }

  /** What was sent from now on, and forgets it. */
  take(): readonly { readonly at: number; readonly packet: MdnsPacket; readonly to: Endpoint | undefined }[] {
    const taken = this.effects.splice(0);
    return taken.flatMap(({ at, effect }) =>
      effect.type === 'send' ? [{ at, packet: effect.packet, to: effect.to }] : [],
    );
  }

  get named(): readonly string[] {
    return namedByMdns(this.state).map(({ protocol, host, port }) => `${protocol}://${host}:${port}`);
  }
}

const ask = (...questions: [string, string][]): MdnsPacket =>
  packetOf('query', { questions: questions.map(([name, type]) => ({ name, type })) });

interface Other {
  readonly name?: string;
  readonly cluster?: string;
  readonly address?: string;
  readonly port?: number;
  readonly ttl?: number;
}

/** What another node announces. */
function announcement({
  name = 'b',
  cluster = 'shop',
  address = '10.0.0.2',
  port = 4_371,
  ttl,
}: Other = {}): MdnsPacket {
  const [instance, host] = [`${name}.${service}`, `${name}-host.local`];
  return packetOf('response', {
    answers: [
      { name: host, type: 'A', ttl: ttl ?? 120, flush: true, data: address },
      { name: instance, type: 'TXT', ttl: ttl ?? 4_500, flush: true, data: [Buffer.from(`cluster=${cluster}`)] },
      {
        name: instance,
        type: 'SRV',
        ttl: ttl ?? 120,
        flush: true,
        data: { target: host, port, priority: 0, weight: 0 },
      },
      { name: service, type: 'PTR', ttl: ttl ?? 4_500, flush: false, data: instance },
    ],
  });
}

const types = (records: readonly MdnsRecord[]): string[] => records.map(record => record.type).sort();

describe('a node that is advertised', () => {
  let run: Run;
  const settled = (): Run => {
    run.step({ type: 'advertise', self });
    run.pass(5_000);
    run.take();
    return run;
  };

  beforeEach(() => {
    run = new Run();
  });

  test('probes three times 250 ms apart with its tentative records, then announces twice 1 s apart', () => {
    run.step({ type: 'advertise', self });
    run.pass(10_000);
    const sent = run.take();
    expect(sent.map(({ packet }) => packet.type)).toEqual(['query', 'query', 'query', 'response', 'response']);
    const times = sent.map(({ at }) => at - (sent[0]?.at ?? 0));
    expect(times).toEqual([0, 250, 500, 750, 1_750]);
    expect(sent[0]?.at).toBeLessThanOrEqual(250);
    const probe = sent[0]?.packet as MdnsPacket;
    expect(probe.questions).toEqual([
      { name: `a.${service}`, type: 'ANY' },
      { name: expect.stringMatching(/^foundation-[0-9a-f]{16}\.local$/), type: 'ANY' },
    ]);
    expect(types(probe.authorities)).toEqual(['A', 'SRV', 'TXT']);
    expect(probe.authorities.every(record => !record.flush)).toBe(true);
  });

  test('announces host records for 120 s, others for 4,500 s, and owns all but the pointers', () => {
    run.step({ type: 'advertise', self });
    run.pass(2_000);
    const answers = run.take().at(-1)?.packet.answers ?? [];
    const seen = answers.map(({ type, ttl, flush }) => `${type} ${ttl} ${flush}`);
    expect(seen).toEqual(['PTR 4500 false', 'SRV 120 true', 'TXT 4500 true', 'A 120 true', 'PTR 4500 false']);
    expect(answers[2]).toMatchObject({
      data: ['txtvers=1', 'name=a', 'cluster=shop', 'protocol=tcp', 'incarnation=1'].map(text => Buffer.from(text)),
    });
  });

  test('answers nothing while it probes', () => {
    run.step({ type: 'advertise', self });
    run.pass(400);
    run.take();
    run.hear(ask([service, 'PTR']));
    run.pass(200);
    expect(run.take().every(({ packet }) => packet.type === 'query')).toBe(true);
  });

  test('answers a question for the service after 20 to 120 ms, with what will be asked next', () => {
    settled();
    const askedAt = run.now;
    run.hear(ask([service, 'PTR']));
    run.pass(500);
    const [answer, ...more] = run.take();
    expect(more).toEqual([]);
    expect(answer?.at).toBeGreaterThanOrEqual(askedAt + 20);
    expect(answer?.at).toBeLessThanOrEqual(askedAt + 120);
    expect(types(answer?.packet.answers ?? [])).toEqual(['PTR']);
    expect(types(answer?.packet.additionals ?? [])).toEqual(['A', 'SRV', 'TXT']);
  });

  test.each([
    [`A.${service.toUpperCase()}`, 'SRV', ['SRV'], ['A']],
    [`a.${service}`, 'ANY', ['SRV', 'TXT'], ['A']],
    ['_services._dns-sd._udp.local', 'PTR', ['PTR'], []],
  ])('answers %s %s', (name, type, answers, additionals) => {
    settled();
    run.hear(ask([name, type]));
    run.pass(500);
    const [sent] = run.take();
    expect(types(sent?.packet.answers ?? [])).toEqual(answers);
    expect(types(sent?.packet.additionals ?? [])).toEqual(additionals);
  });

  test('answers at once for what is its own alone', () => {
    settled();
    const askedAt = run.now;
    run.hear(ask([`a.${service}`, 'TXT']));
    run.pass(500);
    expect(run.take().map(({ at }) => at)).toEqual([askedAt]);
  });

  test.each([
    [2_250, 0],
    [2_249, 1],
  ])('with a known answer of %d s more answers %d times', (ttl, times) => {
    settled();
    const known: MdnsRecord = { name: service, type: 'PTR', ttl, flush: false, data: `a.${service}` };
    run.hear({ ...ask([service, 'PTR']), answers: [known] });
    run.pass(500);
    expect(run.take()).toHaveLength(times);
  });

  test('waits for known answers that come in further packets', () => {
    settled();
    const known: MdnsRecord = { name: service, type: 'PTR', ttl: 4_500, flush: false, data: `a.${service}` };
    run.hear({ ...ask([service, 'PTR']), truncated: true });
    run.pass(300);
    run.hear(packetOf('query', { answers: [known] }));
    run.pass(1_000);
    expect(run.take()).toEqual([]);
    run.hear({ ...ask([service, 'PTR']), truncated: true });
    run.hear(ask([service, 'PTR']), { address: '10.0.0.8', port: 5_353 });
    run.hear(packetOf('query', { answers: [known] }));
    run.pass(1_000);
    expect(run.take()).toHaveLength(1);
  });

  test('multicasts a record once a second however often it is asked', () => {
    settled();
    for (let round = 0; round < 300; round++) {
      run.hear(ask([service, 'PTR'], [`a.${service}`, 'ANY']));
      run.pass(10);
    }
    expect(run.take().length).toBeLessThanOrEqual(8);
  });

  test('defends its name against a probe within 250 ms', () => {
    settled();
    run.hear(ask([`a.${service}`, 'SRV']));
    run.pass(260);
    run.take();
    const authorities = announcement({ name: 'a' }).answers.filter(record => record.type === 'SRV');
    const probedAt = run.now;
    run.hear({ ...ask([`a.${service}`, 'ANY']), authorities });
    run.pass(250);
    const [answer] = run.take();
    expect(answer?.packet.type).toBe('response');
    expect((answer?.at ?? 0) - probedAt).toBeLessThanOrEqual(250);
  });

  test('answers an ordinary DNS client alone, with his id and question, for 10 s at most', () => {
    settled();
    const from = { address: '10.0.0.9', port: 40_000 };
    run.hear({ ...ask([service, 'PTR']), id: 77 }, from);
    const [sent] = run.take();
    expect(sent?.to).toEqual(from);
    expect(sent?.packet).toMatchObject({ id: 77, questions: [{ name: service, type: 'PTR' }] });
    const records = [...(sent?.packet.answers ?? []), ...(sent?.packet.additionals ?? [])];
    expect(types(records)).toEqual(['A', 'PTR', 'SRV', 'TXT']);
    expect(records.every(record => record.ttl === 10 && !record.flush)).toBe(true);
  });

  test('sends at most 20 such answers a second', () => {
    settled();
    for (let index = 0; index < 1_000; index++) run.hear(ask([service, 'PTR']), { address: '10.0.0.9', port: 40_000 });
    const dropped = run.effects.filter(({ effect }) => effect.type === 'dropped');
    expect(run.effects.length - dropped.length).toBe(20);
    expect(dropped[0]?.effect).toEqual({ type: 'dropped', reason: 'too-many-questions', count: 1 });
  });

  test('says goodbye to all its records but the type of service, which others may share', () => {
    settled();
    run.step({ type: 'withdraw' });
    const [sent] = run.take();
    expect(types(sent?.packet.answers ?? [])).toEqual(['A', 'PTR', 'SRV', 'TXT']);
    expect(sent?.packet.answers.every(record => record.ttl === 0)).toBe(true);
    expect(run.named).toEqual([]);
    run.pass(60_000);
    expect(run.take()).toEqual([]);
  });

  test('announces itself again when somebody says goodbye in its name', () => {
    settled();
    const answers = ownRecords(registrationOf(self, service, 0), link, [link]).map(record => ({ ...record, ttl: 0 }));
    run.hear(packetOf('response', { answers }));
    run.pass(500);
    const [sent] = run.take();
    expect(types(sent?.packet.answers ?? [])).toEqual(['A', 'PTR', 'PTR', 'SRV', 'TXT']);
  });

  test('takes the next name when its own is taken, and probes for that', () => {
    run.step({ type: 'advertise', self });
    run.pass(400);
    run.take();
    const effects = run.hear(announcement({ name: 'a' }));
    expect(effects[0]).toEqual({ type: 'renamed', from: `a.${service}`, to: `a (2).${service}` });
    run.pass(5_000);
    const sent = run.take();
    expect(sent.map(({ packet }) => packet.type)).toEqual(['query', 'query', 'query', 'response', 'response']);
    expect(sent.at(-1)?.packet.answers[0]?.data).toBe(`a (2).${service}`);
    expect(run.named).toEqual(['tcp://10.0.0.1:4370']);
  });

  test('asks again whether another means it when the name was its own already', () => {
    settled();
    run.hear(announcement({ name: 'a' }));
    run.pass(5_000);
    const sent = run.take();
    expect(sent.map(({ packet }) => packet.type)).toEqual(['query', 'query', 'query', 'response', 'response']);
    expect(sent.at(-1)?.packet.answers[0]?.data).toBe(`a.${service}`);
  });

  test('waits 5 s between names after fifteen conflicts', () => {
    run.step({ type: 'advertise', self });
    for (let attempt = 1; attempt <= 15; attempt++) {
      run.pass(260);
      const { instance } = run.state.registration as { instance: string };
      run.hear(announcement({ name: instance.slice(0, -service.length - 1) }));
    }
    run.take();
    run.pass(4_900);
    expect(run.take()).toEqual([]);
    run.pass(200);
    expect(run.take()).toHaveLength(1);
  });

  test('takes nothing for a conflict before its first probe', () => {
    run.step({ type: 'advertise', self });
    for (let index = 0; index < 1_000; index++) expect(run.hear(announcement({ name: 'a' }))).toEqual([]);
    expect(run.state.registration?.instance).toBe(`a.${service}`);
  });

  test('says goodbye also while it probes again', () => {
    settled();
    run.step({ type: 'links', links: [link, { address: '10.1.0.1', netmask: '255.255.255.0' }] });
    run.step({ type: 'withdraw' });
    expect(run.take().map(({ packet }) => packet.answers[0]?.ttl)).toEqual([0]);
  });

  test('ignores its own records, and the goodbyes of others who had its name', () => {
    settled();
    const own = ownRecords(registrationOf(self, service, 0), link, [link]);
    run.hear(packetOf('response', { answers: own }));
    const { answers } = announcement({ name: 'a', ttl: 0 });
    run.hear(packetOf('response', { answers: answers.filter(({ type }) => type !== 'PTR') }));
    run.pass(3_000);
    expect(run.take()).toEqual([]);
  });

  test('ignores answers from another port than the one of mDNS', () => {
    run.step({ type: 'advertise', self });
    const effects = run.hear(announcement({ name: 'a' }), { address: '10.0.0.9', port: 40_000 });
    expect(effects).toEqual([{ type: 'dropped', reason: 'wrong-port', count: 1 }]);
  });

  test('probes again on a new link', () => {
    settled();
    const second = { address: '10.1.0.1', netmask: '255.255.255.0' };
    run.step({ type: 'links', links: [link, second] });
    run.pass(5_000);
    expect(run.take().filter(({ packet }) => packet.type === 'response')).toHaveLength(2);
  });
});

describe('two who probe for one name at once', () => {
  test('agree who has it', () => {
    const [one, two] = [new Run(), new Run()];
    const other = { ...self, incarnation: 2, address: { ...self.address, host: '10.0.0.2' } };
    one.step({ type: 'advertise', self });
    two.step({ type: 'advertise', self: other });
    for (let at = 0; at < 10_000; at += 10) {
      for (const [from, to] of [
        [one, two],
        [two, one],
      ] as const) {
        from.pass(10);
        for (const { packet } of from.take()) to.hear(packet);
      }
    }
    const names = [one, two].map(run => run.state.registration?.instance);
    expect(names.sort()).toEqual([`a (2).${service}`, `a.${service}`]);
  });

  test('compare their records the same way from either side', () => {
    const record = fc.record({ port: fc.nat(65_535), target: fc.constantFrom('x.local', 'y.local', 'xx.local') });
    const sets = fc.array(
      record.map(
        (data): MdnsRecord => ({
          name: 'a',
          type: 'SRV',
          ttl: 120,
          flush: false,
          data: { ...data, priority: 0, weight: 0 },
        }),
      ),
      { maxLength: 3 },
    );
    fc.assert(
      fc.property(sets, sets, (left, right) => {
        expect(Math.sign(compareTentative(left, right))).toBe(0 - Math.sign(compareTentative(right, left)) + 0);
        const same = left.map(recordKey).sort().join() === right.map(recordKey).sort().join();
        expect(compareTentative(left, right) === 0).toBe(same);
      }),
    );
  });
});

describe('a node that looks for others', () => {
  let run: Run;

  beforeEach(() => {
    run = new Run();
    run.step({ type: 'browse', on: true });
  });

  test('asks at growing intervals, with what it knows', () => {
    run.pass(10_000);
    const asked = run.take();
    expect(asked.map(({ packet }) => packet.questions)).toEqual(asked.map(() => [{ name: service, type: 'PTR' }]));
    expect(asked[0]?.at).toBeLessThanOrEqual(120);
    const gaps = asked.slice(1).map(({ at }, index) => at - (asked[index]?.at ?? 0));
    for (const [index, gap] of gaps.entries()) {
      expect(gap).toBeGreaterThanOrEqual(800 * 2 ** index);
      expect(gap).toBeLessThanOrEqual(1_200 * 2 ** index);
    }
    run.hear(announcement());
    run.pass(10_000);
    expect(run.take().at(-1)?.packet.answers).toMatchObject([{ type: 'PTR', data: `b.${service}` }]);
  });

  test('names nodes of its cluster, whatever the order of their records', () => {
    run.hear(announcement());
    run.hear(announcement({ name: 'c', cluster: 'bank', address: '10.0.0.3' }));
    expect(run.named).toEqual(['tcp://10.0.0.2:4371']);
  });

  test('asks for what an announcement left out, and rarely in the end', () => {
    const { answers } = announcement();
    run.pass(300);
    run.take();
    run.hear(packetOf('response', { answers: answers.filter(record => record.type === 'PTR') }));
    run.pass(200);
    const [asked] = run.take();
    expect(asked?.packet.questions).toEqual([
      { name: `b.${service}`, type: 'SRV' },
      { name: `b.${service}`, type: 'TXT' },
    ]);
    run.hear(packetOf('response', { answers: answers.filter(({ type }) => type === 'SRV' || type === 'TXT') }));
    run.pass(200);
    expect(run.take()[0]?.packet.questions.map(({ type }) => type)).toEqual(['A', 'AAAA']);
    run.pass(600_000);
    const rest = run.take().filter(({ packet }) => packet.questions.some(({ type }) => type === 'A'));
    expect(rest.length).toBeLessThan(20);
    run.hear(packetOf('response', { answers: answers.filter(({ type }) => type === 'A') }));
    expect(run.named).toEqual([]);
    run.hear(announcement());
    expect(run.named).toEqual(['tcp://10.0.0.2:4371']);
  });

  test('asks again at 80, 85, 90 and 95 % of a life, and forgets who is silent at its end', () => {
    run.hear(announcement());
    run.pass(95_000);
    run.take();
    run.pass(24_900);
    const asked = run.take().filter(({ packet }) => packet.questions.some(({ type }) => type === 'SRV'));
    const parts = asked.map(({ at }) => at / 120_000);
    expect(parts).toHaveLength(4);
    for (const [index, part] of parts.entries()) {
      expect(part).toBeGreaterThanOrEqual(0.8 + 0.05 * index);
      expect(part).toBeLessThanOrEqual(0.8 + 0.05 * index + 0.021);
    }
    expect(run.named).toEqual(['tcp://10.0.0.2:4371']);
    run.pass(200);
    expect(run.named).toEqual([]);
  });

  test('keeps those who answer', () => {
    run.hear(announcement());
    for (let minute = 0; minute < 200; minute++) {
      run.pass(100_000);
      if (run.take().some(({ packet }) => packet.questions.length > 0)) run.hear(announcement());
      expect(run.named).toEqual(['tcp://10.0.0.2:4371']);
    }
  });

  test('forgets a node a second after its goodbye, unless it announces itself again', () => {
    run.hear(announcement());
    run.hear(announcement({ ttl: 0 }));
    run.pass(900);
    expect(run.named).toEqual(['tcp://10.0.0.2:4371']);
    run.pass(200);
    expect(run.named).toEqual([]);
    run.hear(announcement());
    run.hear(announcement({ ttl: 0 }));
    run.pass(500);
    run.hear(announcement());
    run.pass(5_000);
    expect(run.named).toEqual(['tcp://10.0.0.2:4371']);
  });

  test('follows a node to another address and port', () => {
    run.hear(announcement());
    run.pass(2_000);
    run.hear(announcement({ address: '10.0.0.7', port: 5_000 }));
    run.pass(1_100);
    expect(run.named).toEqual(['tcp://10.0.0.7:5000']);
  });

  test.each(['0.0.0.0', '127.0.0.1', '224.0.0.251', '255.255.255.255', '::1', '::', 'fe80::1'])(
    'names nobody at %s',
    address => {
      const { answers } = announcement();
      const moved = answers.map((record): MdnsRecord => {
        if (record.type !== 'A') return record;
        return { ...record, type: address.includes(':') ? 'AAAA' : 'A', data: address };
      });
      run.hear(packetOf('response', { answers: moved }));
      expect(run.named).toEqual([]);
    },
  );

  test('keeps a bounded number of instances, and makes room from those that led nowhere', () => {
    run.hear(announcement());
    const invented = (from: number, to: number): void => {
      for (let index = from; index < to; index++) {
        run.hear(
          packetOf('response', {
            answers: [{ name: service, type: 'PTR', ttl: 4_500, flush: false, data: `x${index}.${service}` }],
          }),
        );
      }
    };
    invented(0, 10_000);
    const { cache } = run.state;
    expect(cache.instances.size).toBe(settings.maxInstances);
    const refused = run.effects.filter(({ effect }) => effect.type === 'dropped' && effect.reason === 'table-full');
    expect(refused).toHaveLength(10_000 - settings.maxInstances + 1);
    run.pass(11_000);
    run.hear(announcement({ name: 'c', address: '10.0.0.3' }));
    expect(run.named).toEqual(['tcp://10.0.0.2:4371', 'tcp://10.0.0.3:4371']);
    expect(cache.instances.size).toBe(2);
  });

  test('keeps a bounded number of addresses of a host, and asks a bounded number of questions', () => {
    run.hear(announcement());
    const host = { name: 'b-host.local', type: 'A', ttl: 120, flush: false } as const;
    const answers = Array.from(
      { length: 800 },
      (_, index): MdnsRecord => ({ ...host, data: `10.0.${index >> 8}.${index & 255}` }),
    );
    run.hear(packetOf('response', { answers }));
    expect([...run.state.cache.hosts.values()].map(({ addresses }) => addresses.size)).toEqual([8]);
    run.take();
    run.hear(
      packetOf('response', {
        answers: Array.from(
          { length: 60 },
          (_, index): MdnsRecord => ({ ...host, type: 'PTR', name: service, data: `x${index}.${service}` }),
        ),
      }),
    );
    run.pass(1_000);
    const questions = run.take().flatMap(({ packet }) => packet.questions);
    expect(questions.length).toBeLessThanOrEqual(330);
  });

  test('forgets what it heard on a link that is gone', () => {
    run.hear(announcement());
    run.step({ type: 'links', links: [] });
    expect(run.named).toEqual([]);
    run.step({ type: 'links', links: [link] });
    run.pass(200);
    expect(run.take().some(({ packet }) => packet.questions[0]?.name === service)).toBe(true);
  });

  test('names a node that is heard on several links once', () => {
    const lo = { address: '127.0.0.1', netmask: '255.0.0.0' };
    run.step({ type: 'links', links: [link, lo] });
    run.hear(announcement());
    run.step({ type: 'received', link: lo.address, packet: announcement({ address: '127.0.0.1' }), from: peer });
    expect(run.named).toEqual(['tcp://10.0.0.2:4371']);
  });

  test('tells many known answers in several packets', () => {
    const many = new Run({ maxInstances: 500 });
    many.step({ type: 'browse', on: true });
    for (let index = 0; index < 100; index++) many.hear(announcement({ name: `node-${index}`, address: '10.0.0.2' }));
    many.pass(110);
    const sent = many.take();
    expect(sent.length).toBeGreaterThan(3);
    expect(sent.flatMap(({ packet }) => packet.answers)).toHaveLength(100);
    expect(sent.map(({ packet }) => packet.truncated)).toEqual(sent.map((_, index) => index < sent.length - 1));
    expect(sent.flatMap(({ packet }) => packet.questions)).toHaveLength(1);
  });

  test('stays within its bounds and throws at nothing, whatever it hears', () => {
    const names = fc.constantFrom(
      service,
      `a.${service}`,
      `b.${service}`,
      'h.local',
      '.',
      '',
      '_services._dns-sd._udp.local',
    );
    const head = { name: names, ttl: fc.constantFrom(0, 1, 120, 4_500), flush: fc.boolean() };
    const record = fc.oneof(
      fc.record({ ...head, type: fc.constant('PTR' as const), data: names }),
      fc.record({
        ...head,
        type: fc.constantFrom('A' as const, 'AAAA' as const),
        data: fc.constantFrom('10.0.0.2', '::2', 'x'),
      }),
      fc.record({
        ...head,
        type: fc.constant('TXT' as const),
        data: fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 3 }),
      }),
      fc.record({
        ...head,
        type: fc.constant('SRV' as const),
        data: fc.record({ target: names, port: fc.nat(65_535), priority: fc.nat(9), weight: fc.nat(9) }),
      }),
    ) as fc.Arbitrary<MdnsRecord>;
    const records = fc.array(record, { maxLength: 6 });
    const packet = fc.record({
      type: fc.constantFrom('query' as const, 'response' as const),
      id: fc.nat(9),
      truncated: fc.boolean(),
      questions: fc.array(fc.record({ name: names, type: fc.constantFrom('PTR', 'SRV', 'ANY', 'A') }), {
        maxLength: 4,
      }),
      answers: records,
      authorities: records,
      additionals: records,
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(packet, fc.nat(3_000), fc.constantFrom(5_353, 9)), { maxLength: 20 }), steps => {
        const one = new Run({ maxInstances: 2 });
        one.step({ type: 'browse', on: true });
        one.step({ type: 'advertise', self });
        for (const [each, ms, port] of steps) {
          one.hear(each, { address: '10.0.0.9', port });
          one.pass(ms);
          expect(one.state.cache.instances.size).toBeLessThanOrEqual(2);
          expect(one.state.cache.hosts.size).toBeLessThanOrEqual(2);
        }
        expect(one.effects.length).toBeLessThan(3_000);
        one.pass(5_000_000);
        expect(one.state.cache.hosts.size).toBe(0);
      }),
      { numRuns: 200 },
    );
  });
});

describe('what a node says of itself', () => {
  const lo = { address: '127.0.0.1', netmask: '255.0.0.0' };
  const second = { address: '192.168.1.1', netmask: '255.255.255.0' };
  const addresses = (host: string): (string | undefined)[] => {
    const registration = registrationOf({ ...self, address: { ...self.address, host } }, service, 0);
    return [link, second, lo].map(
      each =>
        ownRecords(registration, each, [link, second, lo]).find(({ type }) => type === 'A' || type === 'AAAA')
          ?.data as string,
    );
  };

  test.each([
    ['an address of one link stands on that link alone', '10.0.0.1', ['10.0.0.1', undefined, undefined]],
    ['one of loopback on loopback alone', '127.0.0.1', [undefined, undefined, '127.0.0.1']],
    ['localhost too', 'localhost', [undefined, undefined, '127.0.0.1']],
    ['one behind a router on all', '203.0.113.5', ['203.0.113.5', '203.0.113.5', '203.0.113.5']],
    ['a host name as the address of each link', 'node-a', ['10.0.0.1', '192.168.1.1', '127.0.0.1']],
    ['IPv6 as it is', 'fd00::1', ['fd00::1', 'fd00::1', 'fd00::1']],
  ])('%s', (_, host, expected) => {
    expect(addresses(host)).toEqual(expected);
  });

  test('fits one label of 63 bytes, without dots, whatever the name', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }), fc.nat(120), (name, attempt) => {
        const { instance } = registrationOf({ ...self, name }, service, attempt);
        const label = instance.slice(0, -service.length - 1);
        expect(Buffer.byteLength(label)).toBeLessThanOrEqual(63);
        expect(label).not.toContain('.');
        if (attempt > 0) expect(label.endsWith(` (${attempt + 1})`)).toBe(true);
      }),
    );
  });

  test('refuses a name that fits no TXT record', () => {
    expect(() => registrationOf({ ...self, name: 'x'.repeat(251) }, service, 0)).toThrow(
      expect.objectContaining({ code: 'too-large' }),
    );
  });
});
