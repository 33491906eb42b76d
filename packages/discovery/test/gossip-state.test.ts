import { formatAddress, seededRandom } from '@foundation-ts/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GOSSIP_ANSWER_SPACING, GOSSIP_ANSWER_SPREAD } from '../src/defaults.js';
import type { Beat } from '../src/gossip-datagram.js';
import {
  createGossipState,
  type GossipEffect,
  type GossipInput,
  type GossipRules,
  knownAddresses,
  stepGossip,
  wakeAt,
} from '../src/gossip-state.js';
import { advertisedNode } from './context.js';

const hour = 3_600_000;
const epoch = 1_700_000_000_000;

/** One node in simulated time. */
class Simulation {
  readonly state;
  readonly #random;
  now = 0;
  skew = 0;
  sent: { at: number; beat: Beat }[] = [];
  drops: string[] = [];
  changes: (readonly string[])[] = [];
  gathers = true;

  constructor(rules: Partial<GossipRules> = {}, seed = 1) {
    this.state = createGossipState({ interval: 1_000, maxEntries: 100, maxClockSkew: 2 * hour, ...rules });
    this.#random = seededRandom(seed);
  }

  get known(): string[] {
    return knownAddresses(this.state).map(formatAddress);
  }

  step(input: GossipInput): readonly GossipEffect[] {
    const effects = stepGossip(this.state, input, {
      now: this.now,
      wallTime: epoch + this.now + this.skew,
      random: this.#random.next(),
    });
    for (const effect of effects) {
      if (effect.type === 'send') this.sent.push({ at: this.now, beat: effect.beat });
      else if (effect.type === 'dropped') this.drops.push(effect.reason);
      else if (this.gathers) this.changes.push(this.known);
    }
    return effects;
  }

  runTo(time: number): void {
    while (wakeAt(this.state) <= time) {
      this.now = Math.max(this.now, wakeAt(this.state));
      this.step({ type: 'tick' });
    }
    this.now = time;
  }

  hear(name: string, sequence: number, changes: Partial<Beat> & { readonly port?: number } = {}): void {
    const { port = 2, ...rest } = changes;
    this.step({
      type: 'heard',
      beat: {
        kind: 'beat',
        node: advertisedNode(name, port),
        sequence,
        sentAt: epoch + this.now,
        interval: 1_000,
        ...rest,
      },
    });
  }
}

const self = advertisedNode('self', 1);
const selfText = 'tcp://127.0.0.1:1';
const other = 'tcp://127.0.0.1:2';

describe('speaking', () => {
  test('beats fast at the start, then at jittered intervals', () => {
    const node = new Simulation();
    node.step({ type: 'advertise', self });
    node.runTo(60_000);
    const times = node.sent.map(one => one.at);
    expect(times.slice(0, 4)).toEqual([0, 100, 300, 1_000]);
    const gaps = times.slice(4).map((time, index) => time - (times[index + 3] as number));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(800);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(1_200);
    expect(new Set(gaps).size).toBeGreaterThan(10);
  });

  test('numbers its datagrams upwards, also after it starts again in the same incarnation', () => {
    const first = new Simulation();
    first.step({ type: 'advertise', self });
    first.runTo(5_000);
    first.step({ type: 'withdraw' });
    const second = new Simulation();
    second.now = 5_001;
    second.step({ type: 'advertise', self });
    const sequences = [...first.sent, ...second.sent].map(one => one.beat.sequence);
    expect(sequences).toEqual([...new Set(sequences)].sort((left, right) => left - right));
  });

  test('says goodbye once and then keeps silent', () => {
    const node = new Simulation();
    node.step({ type: 'advertise', self });
    node.step({ type: 'withdraw' });
    node.step({ type: 'withdraw' });
    node.runTo(60_000);
    expect(node.sent.map(one => one.beat.kind)).toEqual(['beat', 'goodbye']);
    expect(node.known).toEqual([]);
  });

  test('answers a newcomer at once', () => {
    const node = new Simulation({ interval: 60_000 });
    node.step({ type: 'advertise', self });
    node.runTo(10_000);
    const before = node.sent.length;
    node.hear('b', 1);
    node.runTo(10_000 + GOSSIP_ANSWER_SPREAD);
    expect(node.sent.length).toBe(before + 1);
    node.hear('b', 2);
    node.runTo(12_000);
    expect(node.sent.length).toBe(before + 1);
  });

  test('sends little however many newcomers there are', () => {
    const node = new Simulation({ maxEntries: 100_000 });
    node.gathers = false;
    node.step({ type: 'advertise', self });
    node.runTo(10_000);
    const before = node.sent.length;
    for (let index = 0; index < 10_000; index++) {
      node.runTo(10_000 + index / 10);
      node.hear(`node-${index}`, 1);
    }
    expect(node.sent.length - before).toBeLessThanOrEqual(1_000 / GOSSIP_ANSWER_SPACING + 1);
  });
});

describe('listening', () => {
  test('names itself while it is advertised, and those it heard', () => {
    const node = new Simulation();
    node.step({ type: 'advertise', self });
    node.hear('b', 1);
    expect(node.changes).toEqual([[selfText], [selfText, other]]);
  });

  test('does not tell a change when it hears the same again, and tells one when the address moves', () => {
    const node = new Simulation();
    for (let sequence = 1; sequence < 10; sequence++) node.hear('b', sequence);
    expect(node.changes).toEqual([[other]]);
    node.hear('b', 10, { port: 3 });
    expect(node.changes.at(-1)).toEqual(['tcp://127.0.0.1:3']);
  });

  test('forgets nobody for one lost beat, nor for four', () => {
    const node = new Simulation();
    node.hear('b', 1);
    node.runTo(5_500);
    expect(node.known).toEqual([other]);
    node.hear('b', 6);
    node.runTo(11_000);
    expect(node.changes).toEqual([[other]]);
  });

  test('forgets who missed five beats of his own interval', () => {
    const node = new Simulation();
    node.hear('slow', 1, { interval: 10_000, port: 3 });
    node.hear('b', 1);
    node.runTo(7_000);
    expect(node.known).toEqual(['tcp://127.0.0.1:3']);
    node.runTo(61_000);
    expect(node.known).toEqual([]);
  });

  test('forgets at once who says goodbye, and lets no older datagram bring him back', () => {
    const node = new Simulation();
    node.hear('b', 1);
    node.hear('b', 3, { kind: 'goodbye' });
    expect(node.known).toEqual([]);
    node.hear('b', 2);
    node.hear('b', 3);
    expect(node.known).toEqual([]);
    expect(node.drops).toEqual(['replayed', 'replayed']);
    node.hear('b', 4);
    expect(node.known).toEqual([other]);
  });

  test('refuses what was recorded of somebody who has fallen silent', () => {
    const node = new Simulation();
    for (let sequence = 1; sequence <= 5; sequence++) node.hear('b', sequence);
    node.runTo(60_000);
    for (let sequence = 1; sequence <= 5; sequence++) node.hear('b', sequence);
    expect(node.known).toEqual([]);
    expect(node.drops).toHaveLength(5);
  });

  test('refuses the first datagram of a stranger when it is too old, or from far in the future', () => {
    const node = new Simulation();
    node.hear('b', 1, { sentAt: epoch - 3 * hour });
    node.hear('b', 1, { sentAt: epoch + 3 * hour });
    node.hear('b', 1, { sentAt: Number.MAX_SAFE_INTEGER });
    expect(node.drops).toEqual(['stale', 'stale', 'stale']);
    expect(node.known).toEqual([]);
  });

  test.each([-hour, hour, -24 * hour, 24 * hour])('loses nobody when a clock is set by %i ms', step => {
    const node = new Simulation();
    node.step({ type: 'advertise', self });
    node.hear('b', 1);
    node.skew = step;
    for (let beat = 2; beat < 30; beat++) {
      node.runTo(beat * 1_000);
      node.hear('b', beat, beat % 2 === 0 ? {} : { sentAt: epoch + node.now - step });
    }
    expect(node.changes).toEqual([[selfText], [selfText, other]]);
    expect(node.drops).toEqual([]);
    const sequences = node.sent.map(one => one.beat.sequence);
    expect(sequences).toEqual([...sequences].sort((left, right) => left - right));
  });

  test('ignores its own datagrams, also the last ones after its end', () => {
    const node = new Simulation();
    node.step({ type: 'advertise', self });
    node.step({ type: 'withdraw' });
    for (const { beat } of [...node.sent]) node.step({ type: 'heard', beat });
    expect(node.known).toEqual([]);
  });

  test('keeps its table bounded, and those in it, under a flood of invented nodes', () => {
    const node = new Simulation({ maxEntries: 10 });
    node.hear('b', 1);
    for (let index = 0; index < 10_000; index++) node.hear(`invented-${index}`, 1, { port: 100 + (index % 1_000) });
    expect(node.state.entries.size).toBe(10);
    expect(node.known).toContain(other);
    expect(new Set(node.drops)).toEqual(new Set(['table-full']));
    for (let index = 0; index < 10_000; index++) node.hear(`gone-${index}`, 1, { kind: 'goodbye' });
    expect(node.state.departed.size).toBe(10);
  });

  test('counts nobody as silent for the time in which it was suspended', () => {
    const node = new Simulation();
    node.hear('b', 1);
    node.now = 600_000;
    node.step({ type: 'tick' });
    expect(node.known).toEqual([other]);
    node.runTo(607_000);
    expect(node.known).toEqual([]);
  });

  test('counts nobody as silent for the time in which its sockets were down', () => {
    const node = new Simulation();
    node.step({ type: 'advertise', self });
    node.hear('b', 1);
    node.now = 5_900;
    node.step({ type: 'reconnected' });
    node.runTo(11_000);
    expect(node.known).toEqual([selfText, other]);
    expect(node.sent.filter(one => one.at >= 5_900 && one.at <= 6_900)).toHaveLength(4);
  });

  test('counts nobody as silent in a flood', () => {
    const node = new Simulation();
    node.hear('b', 1);
    for (let time = 1_000; time <= 60_000; time += 1_000) {
      node.runTo(time);
      node.step({ type: 'flooded' });
    }
    expect(node.changes).toEqual([[other]]);
    node.runTo(67_000);
    expect(node.known).toEqual([]);
  });

  test('follows the newest datagram of each node, whatever is lost, doubled or reordered', () => {
    const event = fc.record({
      name: fc.constantFrom('b', 'c', 'd'),
      sequence: fc.integer({ min: 1, max: 12 }),
      goodbye: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), events => {
        const node = new Simulation();
        const newest = new Map<string, (typeof events)[number]>();
        for (const one of events) {
          const port = 100 + one.sequence;
          const { name, sequence } = one;
          node.hear(name, sequence, { port, kind: one.goodbye ? 'goodbye' : 'beat' });
          if (sequence > (newest.get(name)?.sequence ?? 0)) newest.set(name, one);
        }
        const expected = [...newest.values()]
          .filter(one => !one.goodbye)
          .map(one => `tcp://127.0.0.1:${100 + one.sequence}`);
        expect(node.known).toEqual([...new Set(expected)].sort());
        if (node.changes.length > 0) expect(node.changes.at(-1)).toEqual(node.known);
      }),
    );
  });
});
