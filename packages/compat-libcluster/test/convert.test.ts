import { expect, test } from 'vitest';
import { convert } from '../src/convert.js';

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(input: string | Error, ...args: string[]): Promise<Ran> {
  let out = '';
  let err = '';
  const code = await convert(args, {
    // What this process is told is not for the file, which all nodes read.
    env: { RELEASE_NODE: 'me@10.0.0.1', FOUNDATION_SECRET: 'mine', FOUNDATION_PORT: '1' },
    cwd: '/nowhere',
    read: async () => {
      if (input instanceof Error) throw input;
      return input;
    },
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
        "strategy": "gossip",
        "multicastAddress": "233.252.1.32"
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
  const expected = { strategy: 'gossip', multicastAddress: '233.252.1.32' };
  expect(JSON.parse(out)).toEqual({ port: 0, topologies: { g: { strategy: expected } } });
});

test('Rancher is a call, which JSON can’t have', async () => {
  const input = JSON.stringify({ r: { strategy: 'Cluster.Strategy.Rancher', config: { node_basename: 'x' } } });
  const { out } = await run(input, 'file.json', '--port', '5000');
  expect(out).toContain("import { rancher } from '@foundation-ts/compat-libcluster';");
  expect(out).toContain('"strategy": rancher({"port":5000,"pollInterval":5000})');
  expect(await run(input, 'file.json', '--json')).toMatchObject({ code: 1, err: expect.stringContaining('--json') });
});

test('prints texts as texts, whatever is in them', async () => {
  const from = '{"strategy":"Cluster.Strategy.Epmd","config":{"hosts":["a@h"]}}';
  const { out } = await run(`{"__proto__":${from},"@@process.exit()@@\\",x":${from}}`, '-');
  const program = out.replace(/^import.*$/m, 'const defineConfig = x => x;').replace('export default', 'return');
  const { topologies } = new Function(program)() as { topologies: object };
  expect(Object.entries(topologies)).toEqual(
    ['__proto__', '@@process.exit()@@",x'].map(name => [name, { strategy: { strategy: 'static', nodes: ['h:4370'] } }]),
  );
});

test('refuses values that the strategy would refuse at the start, and a file that can’t be read', async () => {
  const ttl = JSON.stringify({ g: { strategy: 'Cluster.Strategy.Gossip', config: { multicast_ttl: 300 } } });
  const expected = "Topology 'g', as 'gossip': Option 'multicastTtl' is 300";
  expect(await run(ttl, '-')).toMatchObject({ code: 1, out: '', err: expect.stringContaining(expected) });
  const missing = await run(new Error('ENOENT: no such file'), 'x.json');
  expect(missing).toEqual({ code: 1, out: '', err: "x.json can't be read: ENOENT: no such file\n" });
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
