import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { parseOptions, UsageError } from '../src/options.js';

test('takes three nodes, 24 shards and the dependencies when nothing is said', () => {
  expect(parseOptions([])).toEqual({
    folder: undefined,
    nodes: 3,
    shards: 24,
    transport: 'tcp',
    discovery: undefined,
    measure: 2_000,
    interactive: false,
    help: false,
  });
});

test('takes a folder and options in any order', () => {
  expect(
    parseOptions(['--nodes', '5', 'docs', '--shards=8', '--transport', 'tls', '--measure=500', '--interactive']),
  ).toEqual({
    folder: resolve('docs'),
    nodes: 5,
    shards: 8,
    transport: 'tls',
    measure: 500,
    interactive: true,
    help: false,
  });
});

test('takes a keyword of discovery, and one with its options', () => {
  expect(parseOptions(['--discovery', 'mdns']).discovery).toEqual({ strategy: 'mdns' });
  const given = { strategy: 'dns', query: 'nodes.example', servers: ['127.0.0.1:5300'] };
  expect(parseOptions(['--discovery', JSON.stringify(given)]).discovery).toEqual(given);
});

test.each([
  [['--nodes', '2'], /--nodes is '2'; allowed: a whole number from 3 to 16/],
  [['--nodes', 'many'], /--nodes is 'many'/],
  [['--shards', '1.5'], /--shards is '1.5'; allowed: a whole number from 1 to 512/],
  [['--transport', 'udp'], /--transport is 'udp'; allowed: tcp, ws, tls, threads/],
  [['--discovery', 'gosip'], /--discovery is 'gosip'; allowed: auto, kubernetes, .* as JSON/],
  [['--discovery', '{"strategy":'], /--discovery is '\{"strategy":' \(.*JSON.*\); allowed: auto/],
  [['--discovery', 'gossip', '--transport', 'threads'], /--discovery is for nodes that are processes/],
  [['--shard', '1'], /--shard/],
  [['a', 'b'], /at most one folder; got a, b/],
])('refuses %j', (args, message) => {
  expect(() => parseOptions(args)).toThrow(UsageError);
  expect(() => parseOptions(args)).toThrow(message);
});
