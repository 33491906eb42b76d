import { type Random, seededRandom } from '@foundation-ts/core';
import { describe, expect, it } from 'vitest';
import { ArrivalWindow } from '../src/arrival-window.js';
import { FailureDetector, type FailureDetectorEffect } from '../src/failure-detector.js';
import { LocalHealth } from '../src/local-health.js';

interface WorldInit {
  readonly seed: number;
  /** Probability that a message is lost, each way. */
  readonly loss?: number;
  /** Milliseconds: base ± spread. */
  readonly delay?: number;
  readonly spread?: number;
  readonly peers?: number;
  readonly stagger?: number;
}

interface Stall {
  readonly from: number;
  readonly to: number;
}

/**
 * One watcher and some peers over a lossy network, event by event. A stalled node handles what reached it only when it runs
 * again: its timers first, its socket afterwards, as Node's event loop does.
 */
class World {
  readonly detector: FailureDetector;
  readonly events: { readonly at: number; readonly effect: FailureDetectorEffect }[] = [];
  readonly silentFrom = new Map<string, number>();
  readonly stalls = new Map<string, Stall>();
  readonly cut = new Set<string>();
  readonly #random: Random;
  readonly #queue: { at: number; order: number; run: () => void }[] = [];
  readonly #loss: number;
  readonly #delay: number;
  readonly #spread: number;
  #now = 0;
  #order = 0;

  constructor(init: WorldInit) {
    this.#random = seededRandom(init.seed);
    this.#loss = init.loss ?? 0;
    this.#delay = init.delay ?? 1;
    this.#spread = init.spread ?? 0;
    this.detector = new FailureDetector({ random: seededRandom(init.seed + 1) });
    for (let index = 1; index <= (init.peers ?? 4); index++) {
      const name = `p${index}`;
      this.detector.watch(name, 0);
      this.#beat(name, this.#random.next() * 1_000);
    }
    this.#tickAt(500);
  }

  run(until: number): this {
    for (let next = this.#queue[0]; next !== undefined && next.at <= until; next = this.#queue[0]) {
      this.#queue.shift();
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
    return this;
  }

  of(type: FailureDetectorEffect['type']): { readonly at: number; readonly peer: string }[] {
    return this.events
      .filter(({ effect }) => effect.type === type)
      .map(({ at, effect }) => ({ at, peer: effect.type === 'probe' ? effect.target : effect.peer }));
  }

  #at(at: number, run: () => void): void {
    const entry = { at, order: this.#order++, run };
    let index = this.#queue.length;
    while (index > 0 && (this.#queue[index - 1] as typeof entry).at > at) index--;
    this.#queue.splice(index, 0, entry);
  }

  /** When `name` gets round to something that is due at `at`. */
  #awake(name: string, at: number): number {
    const stall = this.stalls.get(name);
    return stall !== undefined && at >= stall.from && at < stall.to ? stall.to : at;
  }

  #isSilent(name: string): boolean {
    return this.#now >= (this.silentFrom.get(name) ?? Number.POSITIVE_INFINITY);
  }

  #beat(name: string, at: number): void {
    this.#at(this.#awake(name, at), () => {
      if (!this.#isSilent(name)) this.#send(name, 'self', () => this.#apply(this.detector.heartbeat(name, this.#now)));
      this.#beat(name, this.#now + 1_000);
    });
  }

  #send(from: string, to: string, arrive: () => void): void {
    if (this.#isSilent(from) || this.#isSilent(to)) return;
    if (this.cut.has(`${from}>${to}`) || this.#random.next() < this.#loss) return;
    const at = this.#now + this.#delay + (this.#random.next() * 2 - 1) * this.#spread;
    const handled = this.#awake(to, at);
    this.#at(handled === at ? at : handled + 0.01, arrive);
  }

  #tickAt(at: number): void {
    const awake = this.#awake('self', at);
    this.#at(awake, () => {
      this.#apply(this.detector.tick(this.#now, awake - at));
      this.#tickAt(this.#now + 500);
    });
  }

  #apply(effects: readonly FailureDetectorEffect[]): void {
    for (const effect of effects) {
      this.events.push({ at: this.#now, effect });
      if (effect.type !== 'probe') continue;
      const { target } = effect;
      const answer = (via: string | undefined) => () =>
        this.#apply(this.detector.probeResult({ target, via, alive: true }, this.#now));
      this.#send('self', target, () => this.#send(target, 'self', answer(undefined)));
      for (const via of effect.via) {
        this.#send('self', via, () =>
          this.#send(via, target, () => this.#send(target, via, () => this.#send(via, 'self', answer(via)))),
        );
      }
    }
  }
}

const hour = 3_600_000;

describe('a silent peer', () => {
  it.each([0, 137, 400, 777, 999])(
    'is unreachable within 7 s, and not before 5 (silent from %d ms past a minute)',
    offset => {
      for (let seed = 0; seed < 20; seed++) {
        const world = new World({ seed, delay: 20, spread: 10 });
        const from = 60_000 + offset;
        world.silentFrom.set('p2', from);
        world.run(120_000);
        const [lost, ...others] = world.of('unreachable');
        expect(others, `seed ${seed}`).toEqual([]);
        expect(lost?.peer).toBe('p2');
        expect((lost?.at ?? 0) - from).toBeLessThanOrEqual(7_000);
        expect((lost?.at ?? 0) - from).toBeGreaterThan(4_500);
      }
    },
  );

  it('is unreachable within 7 s of its last sign also where it was irregular before', () => {
    for (let seed = 0; seed < 20; seed++) {
      const world = new World({ seed, loss: 0.3, delay: 100, spread: 50 });
      world.silentFrom.set('p1', hour / 6);
      world.run(hour / 6 + 7_200);
      expect(
        world.of('unreachable').map(({ peer }) => peer),
        `seed ${seed}`,
      ).toEqual(['p1']);
    }
  });

  it('is unreachable within 7 s where there is nobody to ask', () => {
    const world = new World({ seed: 3, peers: 1 });
    world.silentFrom.set('p1', 30_000);
    world.run(37_000);
    expect(world.of('unreachable')).toHaveLength(1);
  });

  it('is probed before, by ourselves and through three others', () => {
    const world = new World({ seed: 3, peers: 6 });
    world.silentFrom.set('p1', 30_000);
    world.run(40_000);
    const probes = world.events.flatMap(({ at, effect }) => (effect.type === 'probe' ? [{ at, effect }] : []));
    expect(probes.length).toBeGreaterThanOrEqual(6);
    for (const { at, effect } of probes) {
      expect(effect.target).toBe('p1');
      expect(effect.via).toHaveLength(3);
      expect(new Set(effect.via).size).toBe(3);
      expect(effect.via).not.toContain('p1');
      expect(at).toBeLessThan(world.of('unreachable')[0]?.at ?? 0);
    }
  });

  it('is reported once, and is reachable again with its first message', () => {
    const world = new World({ seed: 1 });
    world.silentFrom.set('p1', 30_000);
    world.run(60_000);
    expect([...world.detector.unreachable]).toEqual(['p1']);
    world.silentFrom.clear();
    world.run(120_000);
    expect(world.of('unreachable')).toHaveLength(1);
    expect(world.of('reachable')).toEqual([{ at: expect.closeTo(60_500, -3) as number, peer: 'p1' }]);
    expect([...world.detector.unreachable]).toEqual([]);
  });
});

describe('no false detection', () => {
  it('with 30 % loss and 100 ± 50 ms delay, over 200 hours and 800 peer-hours', () => {
    let probes = 0;
    for (let seed = 0; seed < 100; seed++) {
      const world = new World({ seed, loss: 0.3, delay: 100, spread: 50 });
      world.run(2 * hour);
      expect(world.of('unreachable'), `seed ${seed}`).toEqual([]);
      probes += world.of('probe').length;
    }
    expect(probes).toBeGreaterThan(10_000);
  }, 60_000);

  it('when a peer stalls for 3 s at any moment', () => {
    for (let seed = 0; seed < 50; seed++) {
      for (let offset = 0; offset < 1_000; offset += 100) {
        const world = new World({ seed, delay: 100, spread: 50 });
        world.stalls.set('p1', { from: 30_000 + offset, to: 33_000 + offset });
        world.run(60_000);
        expect(world.of('unreachable'), `seed ${seed} offset ${offset}`).toEqual([]);
      }
    }
  });

  it.each([3_000, 10_000, 60_000])('when we stall for %d ms ourselves at any moment', length => {
    for (let seed = 0; seed < 50; seed++) {
      for (let offset = 0; offset < 1_000; offset += 100) {
        const world = new World({ seed, delay: 100, spread: 50 });
        world.stalls.set('self', { from: 30_000 + offset, to: 30_000 + offset + length });
        world.run(60_000 + length);
        expect(world.of('unreachable'), `seed ${seed} offset ${offset}`).toEqual([]);
      }
    }
  });

  it('when a peer says nothing in time but other traffic flows', () => {
    const detector = new FailureDetector({ random: seededRandom(1) });
    detector.watch('a', 0);
    for (let now = 0; now < 60_000; now += 500) {
      expect(detector.anyTraffic('a', now)).toEqual([]);
      expect(detector.tick(now)).toEqual([]);
    }
  });

  it('when heartbeats come in a flood: the rhythm that is expected never gets shorter', () => {
    const detector = new FailureDetector({ random: seededRandom(1) });
    detector.watch('a', 0);
    for (let now = 0; now < 1_000; now++) detector.heartbeat('a', now);
    for (let now = 1_000; now < 6_500; now += 500) {
      expect(detector.tick(now).filter(({ type }) => type === 'unreachable')).toEqual([]);
    }
  });
});

describe('after a stall of our own', () => {
  it('a peer that died meanwhile is detected all the same, within a bounded time', () => {
    const world = new World({ seed: 5 });
    world.stalls.set('self', { from: 30_000, to: 33_000 });
    world.silentFrom.set('p1', 31_000);
    world.run(60_000);
    const [lost] = world.of('unreachable');
    expect(lost?.peer).toBe('p1');
    expect(lost?.at).toBeLessThan(33_000 + 10_000);
  });

  it('the time of the stall is not held against anyone, even past the grace period', () => {
    const detector = new FailureDetector({ random: seededRandom(1) });
    detector.watch('a', 0);
    detector.tick(0);
    for (let now = 60_000; now < 65_000; now += 500) {
      expect(detector.tick(now).filter(({ type }) => type === 'unreachable')).toEqual([]);
    }
  });

  it('nobody is suspected during the grace period, whoever told of the stall', () => {
    for (const [late, lag] of [
      [20_000, 0],
      [500, 20_000],
    ] as const) {
      const detector = new FailureDetector({
        random: seededRandom(1),
        acceptablePause: 0,
        maxSilence: 1_000,
        probeAfter: 100,
      });
      detector.watch('a', 0);
      detector.tick(0);
      for (let now = late; now < late + 2_000; now += 500) {
        const effects = detector.tick(now, now === late ? lag : 0);
        expect(effects.filter(({ type }) => type === 'unreachable')).toEqual([]);
      }
    }
  });
});

describe('a broken link', () => {
  it('is bridged by what others relay, but not for ever', () => {
    const world = new World({ seed: 2 });
    world.cut.add('p1>self').add('self>p1');
    world.run(20_000);
    expect(world.of('unreachable')).toEqual([]);
    world.run(60_000);
    const lost = world.events.find(({ effect }) => effect.type === 'unreachable');
    expect(lost?.effect).toEqual({ type: 'unreachable', peer: 'p1', evidence: 'only-indirect' });
    expect(lost?.at).toBeGreaterThanOrEqual(29_000);
    expect(lost?.at).toBeLessThan(33_000);
    expect(world.of('reachable')).toEqual([]);
    expect(world.of('unreachable')).toHaveLength(1);
  });
});

describe('inputs', () => {
  it('about peers that are not watched are ignored and take no memory', () => {
    const detector = new FailureDetector({ random: seededRandom(1) });
    expect(detector.heartbeat('x', 0)).toEqual([]);
    expect(detector.anyTraffic('x', 0)).toEqual([]);
    expect(detector.suspect('x', 0)).toEqual([]);
    expect(detector.probeResult({ target: 'x', via: undefined, alive: true }, 0)).toEqual([]);
    expect(detector.explain('x', 0)).toBeUndefined();
    expect(detector.peers).toEqual([]);
  });

  it('start and end a watch', () => {
    const detector = new FailureDetector({ random: seededRandom(1) });
    detector.watch('a', 0);
    detector.watch('a', 5_000);
    expect(detector.explain('a', 5_000)?.silence).toBe(5_000);
    detector.unwatch('a');
    for (let now = 0; now < 60_000; now += 500) expect(detector.tick(now)).toEqual([]);
  });

  it('of suspicion probe at once, and a denial is shown but decides nothing', () => {
    const detector = new FailureDetector({ random: seededRandom(1) });
    detector.watch('a', 0);
    detector.watch('b', 0);
    expect(detector.suspect('a', 100)).toEqual([{ type: 'probe', target: 'a', via: ['b'] }]);
    expect(detector.probeResult({ target: 'a', via: 'b', alive: false }, 200)).toEqual([]);
    expect(detector.explain('a', 200)).toMatchObject({ state: 'probing', rounds: 1, denials: 1, multiplier: 1 });
    expect(detector.heartbeat('a', 300)).toEqual([]);
    expect(detector.explain('a', 300)).toMatchObject({ state: 'reachable', rounds: 0, denials: 0, silence: 0 });
  });
});

describe('ArrivalWindow', () => {
  it('has the φ of the paper: 1 at the 90 % quantile, 3 at 99.9 %, growing without bound', () => {
    const window = new ArrivalWindow({ interval: 1_000, minStddev: 100 });
    for (let index = 0; index < 200; index++) window.add(1_000);
    expect(window.phi(1_000, 0)).toBeCloseTo(0.301, 2);
    expect(window.phi(1_128, 0)).toBeCloseTo(1, 1);
    expect(window.phi(1_309, 0)).toBeCloseTo(3, 1);
    expect(window.phi(1_309 + 4_000, 4_000)).toBeCloseTo(3, 1);
    expect(window.phi(60_000, 0)).toBe(Number.POSITIVE_INFINITY);
    let before = -1;
    for (let silence = 0; silence < 2_000; silence += 10) {
      const phi = window.phi(silence, 0);
      expect(phi).toBeGreaterThanOrEqual(before);
      before = phi;
    }
  });

  it('forgets what is older than its samples', () => {
    const window = new ArrivalWindow({ samples: 10 });
    for (let index = 0; index < 50; index++) window.add(9_000);
    expect(window.mean).toBe(9_000);
    for (let index = 0; index < 10; index++) window.add(index % 2 === 0 ? 1_000 : 3_000);
    expect(window.samples).toBe(10);
    expect(window.mean).toBe(2_000);
    expect(window.stddev).toBe(1_000);
  });
});

describe('LocalHealth', () => {
  it('gets worse with each second of a stall and recovers with each second of health', () => {
    const health = new LocalHealth();
    expect(health.multiplier).toBe(1);
    health.stalled(2_500, 10_000);
    expect(health.score).toBe(3);
    health.healthy(10_999);
    expect(health.score).toBe(3);
    health.healthy(12_000);
    expect(health.score).toBe(1);
    health.healthy(90_000);
    expect(health.score).toBe(0);
    health.stalled(1_000_000, 100_000);
    expect(health.score).toBe(8);
  });
});
