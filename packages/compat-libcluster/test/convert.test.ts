import { expect, test } from 'vitest';
import { convert } from '../src/convert.js';

async function run(input: string, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await convert(args, {
    env: {},
    cwd: '/nowhere',
    read: async () => input,
    out: text => {
      out += text;
    },
    err: text => {
      err += text;
    },
  });
  return { code, out, err };
}

const gossip = JSON.stringify({
  g: { strategy: 'Elixir.Cluster.Strategy.Gossip', config: { secret: 'a long enough secret' } },
});

test('prints a configuration of ours, without the secret, and says on stderr what is not the same', async () => {
  const { code, out, err } = await run(gossip, '-');
  expect(code).toBe(0);
  expect(out).toBe(`import { defineConfig } from 'foundation-ts';

// Set FOUNDATION_SECRET to the secret that the topologies had.
export default defineConfig({
  "port": 0,
  "topologies": {
    "g": {
      "strategy": {
        "strategy": "gossip"
      }
    }
  }
});
`);
  expect(err).toContain('topology g, secret: changed');
  expect(out + err).not.toContain('a long enough secret');
});

test('prints JSON', async () => {
  const { out } = await run(gossip, '-', '--json');
  expect(JSON.parse(out)).toEqual({ port: 0, topologies: { g: { strategy: { strategy: 'gossip' } } } });
});

test('Rancher is a call, which JSON can’t have', async () => {
  const input = JSON.stringify({ r: { strategy: 'Cluster.Strategy.Rancher', config: { node_basename: 'x' } } });
  const { out } = await run(input, 'file.json', '--port', '5000');
  expect(out).toContain("import { rancher } from '@foundation-ts/compat-libcluster';");
  expect(out).toContain('"strategy": rancher({"port":5000,"pollInterval":5000})');
  expect(await run(input, 'file.json', '--json')).toMatchObject({ code: 1, err: expect.stringContaining('--json') });
});

test('tells by its exit code what could not be mapped', async () => {
  const unknown = JSON.stringify({ u: { strategy: 'My.Strategy' } });
  expect(await run(unknown, '-')).toMatchObject({ code: 1, err: expect.stringContaining("'My.Strategy'") });
  const timeout = JSON.stringify({ e: { strategy: 'Cluster.Strategy.Epmd', config: { hosts: ['a@b'], timeout: 1 } } });
  expect((await run(timeout, '-')).code).toBe(0);
  expect((await run(timeout, '-', '--strict')).code).toBe(1);
  expect(await run('{', 'x.json')).toMatchObject({ code: 1, err: expect.stringContaining('x.json is no JSON') });
  expect(await run('3', 'x.json')).toMatchObject({ code: 1, err: expect.stringContaining('topologies') });
});

test.each([[[]], [['a', 'b']], [['a', '--port', 'x']], [['a', '--frob']]])('refuses the arguments %j', async args => {
  expect(await run(gossip, ...args)).toMatchObject({ code: 2, err: expect.stringContaining('Usage') });
});

test('--help', async () => {
  expect(await run('', '--help')).toMatchObject({ code: 0, out: expect.stringContaining('Usage') });
});
