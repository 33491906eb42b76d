import { type Address, formatAddress } from '@foundation-ts/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { KubernetesObject } from '../src/kubernetes-objects.js';
import {
  createKubernetesState,
  type KubernetesEffect,
  type KubernetesInput,
  type KubernetesState,
  kubernetesAddresses,
  stepKubernetes,
} from '../src/kubernetes-state.js';

const rules = { maxEntries: 100, watchTimeout: 120_000, resyncInterval: 600_000 };
const error = new Error('made to fail');

const object = (key: string, ip?: string, version?: string): KubernetesObject => ({
  key,
  endpoints: ip === undefined ? [] : [{ pod: key, family: 4, address: address(ip) }],
  resourceVersion: version,
  unusable: 0,
});
const address = (host: string): Address => ({ protocol: 'tcp', host, port: 4370 });
const page = (objects: readonly KubernetesObject[], next?: string, resourceVersion = '7'): KubernetesInput => ({
  type: 'page',
  objects,
  resourceVersion,
  next,
});

/** Drives the rules with a clock that stands still unless told. */
class Driver {
  readonly state: KubernetesState;
  now = 0;

  constructor(given: Partial<typeof rules> = {}) {
    this.state = createKubernetesState({ ...rules, ...given });
  }

  step(input: KubernetesInput): readonly KubernetesEffect[] {
    return stepKubernetes(this.state, input, { now: this.now, random: 0.5 });
  }

  get hosts(): string {
    return kubernetesAddresses(this.state, undefined)
      .map(one => one.host)
      .join(' ');
  }

  /** A list of these has been read, and its watch runs for `ms`. */
  settled(objects: readonly KubernetesObject[], ms = 5_000): this {
    this.step({ type: 'start' });
    this.step(page(objects));
    this.step({ type: 'opened' });
    this.now += ms;
    return this;
  }
}

const list: KubernetesEffect = { type: 'list', next: undefined };
const watch = (resourceVersion: string): KubernetesEffect => ({ type: 'watch', resourceVersion, timeout: 120_000 });
const wait = (ms: number): KubernetesEffect => ({ type: 'wait', ms });

describe('stepKubernetes', () => {
  test('reads every page before it tells anything, then watches from there', () => {
    const driver = new Driver();
    expect(driver.step({ type: 'start' })).toEqual([list]);
    expect(driver.step(page([object('a', '10.0.0.1')], 'more'))).toEqual([{ type: 'list', next: 'more' }]);
    expect(driver.hosts).toBe('');
    expect(driver.step(page([object('b', '10.0.0.2')]))).toEqual([{ type: 'changed' }, watch('7')]);
    expect(driver.hosts).toBe('10.0.0.1 10.0.0.2');
  });

  test('keeps the old set while a new list is read', () => {
    const driver = new Driver().settled([object('a', '10.0.0.1')]);
    expect(driver.step({ type: 'gone' })).toEqual([list]);
    driver.step(page([object('b', '10.0.0.2')], 'more'));
    expect(driver.hosts).toBe('10.0.0.1');
    driver.step({ type: 'failed', error });
    expect(driver.hosts).toBe('10.0.0.1');
    expect(driver.step({ type: 'tick' })).toEqual([list]);
    driver.step(page([object('c', '10.0.0.3')]));
    expect(driver.hosts).toBe('10.0.0.3');
  });

  test('takes an empty list that succeeded for the truth', () => {
    const driver = new Driver().settled([object('a', '10.0.0.1')]);
    driver.step({ type: 'gone' });
    expect(driver.step(page([]))).toContainEqual({ type: 'changed' });
    expect(driver.hosts).toBe('');
  });

  test('tells a change only where an address changed', () => {
    const driver = new Driver().settled([object('a', '10.0.0.1')]);
    expect(driver.step({ type: 'changed', object: object('a', '10.0.0.1', '8') })).toEqual([]);
    expect(driver.step({ type: 'changed', object: object('a', '10.0.0.2') })).toEqual([{ type: 'changed' }]);
    expect(driver.step({ type: 'changed', object: object('a') })).toEqual([{ type: 'changed' }]);
    expect(driver.step({ type: 'changed', object: object('a') })).toEqual([]);
    expect(driver.step({ type: 'deleted', object: object('a') })).toEqual([]);
  });

  test('resumes from the newest version that any event carried', () => {
    const driver = new Driver().settled([]);
    driver.step({ type: 'changed', object: object('a', '10.0.0.1', '11') });
    driver.step({ type: 'deleted', object: object('a', undefined, '12') });
    expect(driver.step({ type: 'ended' })).toEqual([watch('12')]);
    driver.step({ type: 'opened' });
    driver.step({ type: 'bookmark', resourceVersion: '40' });
    driver.now += 5_000;
    expect(driver.step({ type: 'ended' })).toEqual([watch('40')]);
  });

  test('lists again after the resync interval, and after an event that it did not understand', () => {
    const driver = new Driver().settled([], 599_000);
    expect(driver.step({ type: 'ended' })).toEqual([watch('7')]);
    driver.step({ type: 'opened' });
    driver.now += 1_000;
    expect(driver.step({ type: 'ended' })).toEqual([list]);
    driver.step(page([]));
    driver.step({ type: 'opened' });
    driver.now += 1_000;
    expect(driver.step({ type: 'malformed' })).toEqual([{ type: 'dropped', reason: 'malformed', count: 1 }]);
    expect(driver.step({ type: 'ended' })).toEqual([list]);
  });

  test('does not hurry an API that ends each watch at once', () => {
    const driver = new Driver().settled([], 0);
    expect(driver.step({ type: 'ended' })).toEqual([watch('7')]);
    const waits: KubernetesEffect[] = [];
    for (let turn = 0; turn < 8; turn++) {
      driver.step({ type: 'opened' });
      waits.push(...driver.step({ type: 'ended' }));
      expect(driver.step({ type: 'tick' })).toEqual([watch('7')]);
    }
    expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000].map(wait));
    driver.step({ type: 'opened' });
    driver.now += 1_000;
    expect(driver.step({ type: 'ended' })).toEqual([watch('7')]);
  });

  test('does not hurry an API to which each fresh list is too old', () => {
    const driver = new Driver().settled([]);
    expect(driver.step({ type: 'gone' })).toEqual([list]);
    driver.step(page([]));
    expect(driver.step({ type: 'gone' })).toEqual([wait(500)]);
    expect(driver.step({ type: 'tick' })).toEqual([list]);
    driver.step(page([]));
    expect(driver.step({ type: 'gone' })).toEqual([wait(1_000)]);
  });

  test('reports a failure, and repeats the request with growing pauses or as asked', () => {
    const driver = new Driver().settled([object('a', '10.0.0.1')]);
    const failed: KubernetesInput = { type: 'failed', error };
    expect(driver.step(failed)).toEqual([{ type: 'report', error }, wait(500)]);
    expect(driver.step({ type: 'tick' })).toEqual([watch('7')]);
    expect(driver.step(failed)).toEqual([{ type: 'report', error }, wait(1_000)]);
    expect(driver.step({ ...failed, retryAfter: 9_000 })).toContainEqual(wait(9_000));
    expect(driver.step({ ...failed, retryAfter: 9e9 })).toContainEqual(wait(30_000));
    expect(driver.hosts).toBe('10.0.0.1');
  });

  test('tries a refused request once more at once, for the token may have changed', () => {
    const driver = new Driver().settled([]);
    expect(driver.step({ type: 'denied', error })).toEqual([watch('7')]);
    expect(driver.step({ type: 'denied', error })).toEqual([{ type: 'report', error }, wait(500)]);
    expect(driver.step({ type: 'tick' })).toEqual([watch('7')]);
    driver.step({ type: 'opened' });
    expect(driver.step({ type: 'denied', error })).toEqual([watch('7')]);
  });

  test('bounds what it keeps and how long it reads a list', () => {
    const driver = new Driver({ maxEntries: 2 });
    driver.step({ type: 'start' });
    const many = ['a', 'b', 'c', 'd'].map((key, index) => object(key, `10.0.0.${index}`));
    expect(driver.step(page(many, 'more'))).toEqual([
      { type: 'dropped', reason: 'table-full', count: 2 },
      { type: 'changed' },
      watch('7'),
    ]);
    expect(driver.step({ type: 'changed', object: object('e', '10.0.0.9') })).toEqual([
      { type: 'dropped', reason: 'table-full', count: 1 },
    ]);
    expect(driver.step({ type: 'changed', object: object('a', '10.0.0.9') })).toEqual([{ type: 'changed' }]);

    const endless = new Driver();
    endless.step({ type: 'start' });
    let pages = 0;
    while (endless.step(page([], 'more'))[0]?.type === 'list') pages++;
    expect(pages).toBe(399);
  });

  test('knows what the API knows, whatever is cut, gone or refused in between', () => {
    const keys = ['a', 'b', 'c', 'd'];
    const move = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ do: fc.constant('set' as const), key: fc.constantFrom(...keys), ip: fc.nat(3) }),
      },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), key: fc.constantFrom(...keys) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('cut', 'gone', 'fail', 'deny', 'bookmark') }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat(700_000) }) },
    );
    fc.assert(
      fc.property(fc.array(move, { maxLength: 60 }), moves => {
        const driver = new Driver();
        const truth = new Map<string, string>();
        const log: { readonly version: number; readonly input: KubernetesInput }[] = [];
        let version = 1;
        let watchedFrom: number | undefined;
        /** Does what is asked at once and right, until nothing is asked. */
        const obey = (effects: readonly KubernetesEffect[]): void => {
          for (const effect of effects) {
            if (effect.type === 'list') {
              const objects = [...truth].map(([key, ip]) => object(key, ip));
              const half = objects.length >> 1;
              const [part, next] = effect.next === undefined ? [objects.slice(0, half), 'rest'] : [objects.slice(half)];
              obey(driver.step(page(part, next, String(version))));
            } else if (effect.type === 'watch') {
              watchedFrom = Number(effect.resourceVersion);
              obey(driver.step({ type: 'opened' }));
              for (const past of log) if (past.version > watchedFrom) obey(driver.step(past.input));
            } else if (effect.type === 'wait') {
              watchedFrom = undefined;
              driver.now += effect.ms;
              obey(driver.step({ type: 'tick' }));
            }
          }
        };
        obey(driver.step({ type: 'start' }));
        for (const one of moves) {
          if (one.do === 'set' || one.do === 'delete') {
            version++;
            const known = object(one.key, 'ip' in one ? `10.0.0.${one.ip}` : undefined, String(version));
            if ('ip' in one) truth.set(one.key, `10.0.0.${one.ip}`);
            else truth.delete(one.key);
            const input: KubernetesInput = { type: one.do === 'set' ? 'changed' : 'deleted', object: known };
            log.push({ version, input });
            obey(driver.step(input));
          } else if (one.do === 'pass') {
            driver.now += one.ms;
          } else if (one.do === 'bookmark') {
            obey(driver.step({ type: 'bookmark', resourceVersion: String(version) }));
          } else if (one.do === 'cut') {
            obey(driver.step({ type: 'ended' }));
          } else if (one.do === 'gone') {
            obey(driver.step({ type: 'gone' }));
          } else {
            obey(driver.step({ type: one.do === 'fail' ? 'failed' : 'denied', error }));
          }
          const expected = [...new Set(truth.values())].map(host => formatAddress(address(host))).sort();
          expect(kubernetesAddresses(driver.state, undefined).map(formatAddress)).toEqual(expected);
        }
      }),
      { numRuns: 300 },
    );
  });
});
