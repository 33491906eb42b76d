import { type Log, silentLog, type Telemetry } from '@foundation-ts/core';
import type { PeerIdentity } from '@foundation-ts/transport';
import { beforeEach, describe, expect, test } from 'vitest';
import { checkPermissions, type Permissions, Permitter } from '../src/permissions.js';

const certified = (...roles: string[]) => ({ security: { identity: () => ['a'], roles: () => roles } });
const check = (permissions: unknown, roles: readonly string[] = []): Permissions | undefined =>
  checkPermissions(permissions as Permissions, certified('ops', 'worker'), roles);

function peer(name: string, roles: readonly string[] | undefined, claimed: unknown = [], local = false): PeerIdentity {
  const certificate = roles === undefined ? undefined : { names: [name], roles };
  const metadata = claimed === undefined ? null : { roles: claimed };
  return { name, incarnation: 1, clusterId: 'test', address: undefined, metadata, certificate, local };
}

describe('the option permissions', () => {
  test('takes what each role may do, as plain data', () => {
    const permissions = {
      ops: ['spawn', 'exit', 'observe', 'supervise'],
      worker: [{ spawn: ['shard'] }],
      '*': ['message'],
    };
    expect(check(permissions)).toEqual(permissions);
    expect(check(JSON.parse(JSON.stringify(permissions)))).toEqual(permissions);
    expect(check(undefined)).toBeUndefined();
    expect(check({})).toEqual({});
  });

  test.each<[string, unknown, RegExp]>([
    ['a list', ['spawn'], /'permissions' is an array; allowed: what each role may do, such as/],
    ['a text', 'ops', /'permissions' is 'ops'/],
    [
      'a role with nothing',
      { ops: undefined },
      /'permissions\.ops' is undefined; allowed: a list of 'message', 'spawn'/,
    ],
    ['an action by itself', { ops: 'spawn' }, /'permissions\.ops' is 'spawn'; allowed: a list/],
    [
      'an action that is misspelt',
      { ops: ['exit', 'spwan'] },
      /'permissions\.ops\[1\]' is 'spwan'.*did you mean 'spawn'\?/,
    ],
    [
      'an action that there is not',
      { ops: ['fly'] },
      /'permissions\.ops\[0\]' is 'fly'; allowed: 'message', .*'observe'\.$/,
    ],
    ['a rule with another name', { ops: [{ spwan: ['a'] }] }, /\{ spawn: \[names of definitions\] \}/],
    ['a rule with two', { ops: [{ spawn: ['a'], exit: true }] }, /\{ spawn: \[names of definitions\] \}/],
    ['no definitions', { ops: [{ spawn: [] }] }, /\{ spawn: \[names of definitions\] \}/],
    ['a definition itself', { ops: [{ spawn: [{ name: 'a' }] }] }, /\{ spawn: \[names of definitions\] \}/],
    ['nothing in place of an action', { ops: [null] }, /permissions\.ops\[0\]/],
    ['a role with spaces', { 'the ops': ['spawn'] }, /the name of a role, or '\*'/],
  ])('says what is wrong with %s', (_what, permissions, message) => {
    expect(() => check(permissions)).toThrow(expect.objectContaining({ code: 'invalid-option' }));
    expect(() => check(permissions)).toThrow(message);
  });

  test('is refused without mutual TLS, and says why; within one process it needs none', () => {
    const permissions: Permissions = { '*': ['message'] };
    expect(() => checkPermissions(permissions, {}, [])).toThrow(expect.objectContaining({ code: 'insecure' }));
    expect(() => checkPermissions(permissions, {}, [])).toThrow(
      /a shared secret proves that a node belongs.*not which one/,
    );
    expect(checkPermissions(permissions, { local: true }, ['ops'])).toEqual(permissions);
  });

  test('demands that this node can prove its own roles', () => {
    expect(check({}, ['ops'])).toEqual({});
    expect(() => check({}, ['ops', 'boss'])).toThrow(
      /tls\.cert proves \(ops, worker\); 'boss' would be refused.*URI:foundation:role\/boss/,
    );
  });
});

describe('who may do what', () => {
  let events: unknown[];
  let warnings: string[];
  const log: Log = { ...silentLog, warn: (_fields, text) => warnings.push(text) };
  const permitter = (permissions: Permissions): Permitter => {
    const telemetry = { emit: (event: string, _m: unknown, meta: object) => events.push([event, meta]) };
    return new Permitter(permissions, { node: 'a', log, telemetry: telemetry as unknown as Telemetry });
  };
  beforeEach(() => {
    events = [];
    warnings = [];
  });
  const some: Permissions = { ops: ['spawn', 'exit'], worker: [{ spawn: ['shard'] }], '*': ['message'] };

  test('is the sum of what its roles may do, and of what everybody may', () => {
    const may = permitter(some);
    const ops = peer('o', ['ops']);
    const both = peer('b', ['worker', 'ops']);
    const worker = peer('w', ['worker', 'unheard-of']);
    const nobody = peer('n', []);
    for (const each of [ops, both, worker, nobody]) expect(may.allows(each, 'message')).toBe(true);
    expect([ops, both, worker, nobody].map(each => may.allows(each, 'exit'))).toEqual([true, true, false, false]);
    expect([ops, worker].map(each => may.allows(each, 'spawn', 'other'))).toEqual([true, false]);
    expect([ops, worker, nobody].map(each => may.allows(each, 'spawn', 'shard'))).toEqual([true, true, false]);
    expect(may.allows(worker, 'spawn')).toBe(false);
    for (const action of ['supervise', 'register', 'observe'] as const) expect(may.allows(both, action)).toBe(false);
  });

  test('goes by the certificate, and not by what is claimed', () => {
    const may = permitter(some);
    expect(may.allows(peer('x', [], ['ops']), 'exit')).toBe(false);
    expect(may.allows(peer('x', undefined, ['ops']), 'exit')).toBe(false);
    expect(may.allows(peer('x', ['ops'], []), 'exit')).toBe(true);
    expect(may.allows(peer('x', ['constructor', '__proto__', 'hasOwnProperty']), 'exit')).toBe(false);
  });

  test('is everything within the process', () => {
    const may = permitter({});
    expect(may.allows(peer('x', undefined, ['ops'], true), 'supervise')).toBe(true);
    expect(may.admit(peer('x', undefined, ['ops'], true))).toBeUndefined();
  });

  test('lets nobody in who claims a role that its certificate does not prove', () => {
    const may = permitter(some);
    expect(may.admit(peer('x', ['ops', 'worker'], ['ops']))).toBeUndefined();
    expect(may.admit(peer('x', [], undefined))).toBeUndefined();
    const refusal = may.admit(peer('x', ['worker'], ['worker', 'ops', 'a b']));
    expect(refusal?.code).toBe('auth-failed');
    expect(refusal?.message).toMatch(
      /'x' claims the roles 'ops', 'a b', which its certificate does not prove.*URI:foundation:role\/ops,URI:foundation:role\/a%20b/,
    );
    expect(may.admit(peer('x', undefined, ['ops']))?.code).toBe('auth-failed');
  });

  test('counts of the roles that are told later only those that are proven', () => {
    const may = permitter(some);
    expect(may.provenOf(peer('x', ['worker', 'ops']), ['ops', 'boss'])).toEqual(['ops']);
    expect(may.provenOf(peer('x', undefined, [], true), ['boss'])).toEqual(['boss']);
  });

  test('is answered with what is missing, told each time to telemetry, and once per peer and action to the log', () => {
    const may = permitter(some);
    const refused = may.refuse(peer('w', ['worker']), 'spawn', "spawn 'other'");
    expect(refused).toMatchObject({
      code: 'not-permitted',
      retryable: false,
      details: { node: 'a', member: 'w', action: 'spawn' },
    });
    expect(refused.message).toMatch(/Node 'a' does not let 'w' spawn 'other'.*has 'spawn'/);
    for (let n = 0; n < 10; n++) may.refuse(peer('w', ['worker']), 'spawn', "spawn 'other'");
    may.refuse(peer('w', ['worker']), 'exit', 'send an exit signal');
    may.refuse(peer('v', []), 'spawn', "spawn 'other'");
    expect(events).toHaveLength(13);
    expect(events[0]).toEqual(['cluster.not-permitted', { member: 'w', action: 'spawn', what: "spawn 'other'" }]);
    expect(warnings.map(warning => /'(.)' may not (\S+)/.exec(warning)?.slice(1))).toEqual([
      ['w', 'spawn'],
      ['w', 'send'],
      ['v', 'spawn'],
    ]);
  });
});
