import { formatAddress } from '@foundation-ts/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type KubernetesObject, readKubernetesObject } from '../src/kubernetes-objects.js';
import { addressRules, type KubernetesInit, resolveKubernetesInit } from '../src/kubernetes-settings.js';
import { LineSplitter } from '../src/line-splitter.js';

const read = (value: unknown, init: KubernetesInit = {}): KubernetesObject | undefined =>
  readKubernetesObject(value, addressRules(resolveKubernetesInit({ appName: 'shop', ...init }), undefined));

const pod = (changes: object = {}): object => ({
  metadata: {
    name: 'web-0',
    namespace: 'shop',
    uid: 'u',
    ...('metadata' in changes ? (changes.metadata as object) : {}),
  },
  spec: 'spec' in changes ? changes.spec : {},
  status: { phase: 'Running', podIP: '10.0.0.1', ...('status' in changes ? (changes.status as object) : {}) },
});

const addresses = (value: KubernetesObject | undefined): readonly string[] | undefined =>
  value?.endpoints.map(one => formatAddress(one.address));

describe('readKubernetesObject', () => {
  test('reads a pod of an API that knows podIP alone', () => {
    expect(read(pod())).toEqual({
      key: 'shop/web-0',
      endpoints: [{ pod: 'u', family: 4, address: { protocol: 'tcp', host: '10.0.0.1', port: 4370 } }],
      resourceVersion: undefined,
      unusable: 0,
    });
  });

  test('takes no address that is none', () => {
    for (const podIP of ['10.0.0.1/8', 'a b', '[::1]', 'x'.repeat(300), '\ud800', 5, {}, null]) {
      expect(addresses(read(pod({ status: { podIP } })))).toEqual([]);
    }
  });

  test('finds the named port among those of all containers', () => {
    const spec = {
      containers: [
        {},
        { ports: [{ name: 'http', containerPort: 80 }] },
        { ports: [{ name: 'cluster', containerPort: 5 }] },
      ],
    };
    expect(addresses(read(pod({ spec }), { portName: 'cluster' }))).toEqual(['tcp://10.0.0.1:5']);
    expect(read(pod({ spec }), { portName: 'metrics' })).toMatchObject({ endpoints: [], unusable: 1 });
    const wrong = { containers: [{ ports: [{ name: 'cluster', containerPort: '5' }] }] };
    expect(read(pod({ spec: wrong }), { portName: 'cluster' })).toMatchObject({ endpoints: [], unusable: 1 });
  });

  test('takes an endpoint whose readiness is unknown for ready, as the reference of the API says', () => {
    const slice = { metadata: { name: 's', namespace: 'shop' }, endpoints: [{ addresses: ['10.0.0.1'] }] };
    expect(addresses(read(slice, { resource: 'endpoint-slices', ready: 'ready' }))).toEqual(['tcp://10.0.0.1:4370']);
  });

  test('never throws, and names only well-formed addresses, whatever it is given', () => {
    const leaf = fc.oneof(fc.jsonValue(), fc.constantFrom('10.0.0.1', 'Ready', 'True', 'cluster', '::1', 4370));
    const some = (keys: string[], value: fc.Arbitrary<unknown>): fc.Arbitrary<object> =>
      fc.dictionary(fc.constantFrom(...keys), value);
    const inner = fc.oneof(
      leaf,
      some(['name', 'namespace', 'uid', 'podIP', 'podIPs', 'ip', 'phase', 'containers', 'ports', 'addresses'], leaf),
      fc.array(
        some(['ip', 'ports', 'name', 'containerPort', 'addresses', 'conditions', 'targetRef', 'hostname'], leaf),
      ),
    );
    const thing = fc.record(
      {
        metadata: fc.oneof(fc.constant({ name: 'a', namespace: 'b' }), inner),
        spec: inner,
        status: inner,
        endpoints: inner,
        ports: inner,
      },
      { requiredKeys: [] },
    );
    const inits: KubernetesInit[] = [{}, { mode: 'pod-dns' }, { mode: 'hostname' }, { portName: 'cluster' }];
    fc.assert(
      fc.property(fc.oneof(thing, fc.jsonValue()), fc.constantFrom(...inits), fc.boolean(), (value, init, slices) => {
        const found = read(value, slices ? { ...init, resource: 'endpoint-slices' } : init);
        for (const one of found?.endpoints ?? []) {
          expect(one.address.host).toMatch(/^[^\s/[\]]{1,255}$/);
          expect(one.address.port).toBeGreaterThan(0);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('resolveKubernetesInit', () => {
  test.each([
    [{}, /'appName' is undefined; allowed: the application's name/],
    [{ appname: 'shop' }, /no option 'appname' \(did you mean 'appName'\?\)/],
    [{ appName: 'a shop' }, /'appName' is 'a shop'/],
    [{ appName: 'shop', selector: ' ' }, /'selector'/],
    [{ appName: 'shop', namespace: 'Shop' }, /'namespace' is 'Shop'; allowed: a DNS label.*or '\*'/],
    [{ appName: 'shop', resource: 'services' }, /'resource' is 'services'; allowed: 'pods' or 'endpoint-slices'/],
    [{ appName: 'shop', mode: 'dns' }, /'mode'/],
    [{ appName: 'shop', port: 70_000 }, /'port'/],
    [{ appName: 'shop', port: 1, portName: 'a' }, /'portName' is 'a'; allowed: absent where 'port' is given/],
    [{ appName: 'shop', family: 5 }, /'family' is 5; allowed: 4 or 6/],
    [{ appName: 'shop', ready: true }, /'ready'/],
    [{ appName: 'shop', api: 'http://10.0.0.1:8001' }, /'api' is 'http:\/\/10\.0\.0\.1:8001'; allowed: an https URL/],
    [{ appName: 'shop', api: 'https://me:word@10.0.0.1' }, /^Option 'api' is 'https:\/\/10\.0\.0\.1';/],
    [{ appName: 'shop', watchTimeout: 1 }, /'watchTimeout'/],
    [{ resource: 'endpoint-slices' }, /'appName'/],
  ])('refuses %j', (init, message) => {
    expect(() => resolveKubernetesInit(init as KubernetesInit)).toThrow(message);
  });

  test('selects by the application, or slices by their service', () => {
    expect(resolveKubernetesInit({ appName: 'shop' }).selector).toBe('app=shop');
    expect(resolveKubernetesInit({ resource: 'endpoint-slices', service: 'web' }).selector).toBe(
      'kubernetes.io/service-name=web',
    );
    expect(resolveKubernetesInit({ appName: 'shop', selector: 'a in (b,c)' }).selector).toBe('a in (b,c)');
  });
});

describe('LineSplitter', () => {
  test('gives the lines of a stream however it is cut, and drops those over the limit', () => {
    const line = fc.string({ unit: 'grapheme', maxLength: 20 }).map(text => text.replaceAll('\n', ' '));
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (lines, cuts) => {
        const bytes = Buffer.from(lines.map(text => `${text}\n`).join(''));
        const fits = (text: string): boolean => Buffer.byteLength(text) <= 12;
        const [got, overlong] = [[] as string[], [] as number[]];
        const splitter = new LineSplitter(
          12,
          text => void got.push(text),
          () => void overlong.push(1),
        );
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const length = cuts[turn % cuts.length] as number;
          splitter.push(bytes.subarray(at, at + length));
          at += length;
        }
        expect(got).toEqual(lines.filter(text => text !== '' && fits(text)).map(text => Buffer.from(text).toString()));
        expect(overlong).toHaveLength(lines.filter(text => !fits(text)).length);
      }),
    );
  });
});
