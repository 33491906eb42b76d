import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { KeywordOptions, StrategyKeyword } from 'foundation-ts';
import type { DiscoverySetup } from './worker-protocol.js';

/** Nodes that a list names: more can't join a run. */
const listed = 40;
const standardPort = 4370;

/** These learn only hosts, or records with fixed ports: each node has a loopback address of its own, 127.0.0.2 and so on. */
const byHost: ReadonlySet<string> = new Set<StrategyKeyword>([
  'dns',
  'dns-srv',
  'kubernetes',
  'kubernetes-dns',
  'kubernetes-dns-srv',
]);

/**
 * Says for each node, by name, how it finds the others on this machine.
 * @param given - what the command line asked for; undefined: the nodes find out by themselves
 * @param folder - for a hosts file
 */
export async function discoveryBy(
  given: KeywordOptions | undefined,
  folder: string,
): Promise<(name: string) => DiscoverySetup> {
  if (given === undefined) return () => ({ cluster: true });
  if (byHost.has(given.strategy)) {
    const port = 'port' in given && typeof given.port === 'number' ? given.port : standardPort;
    return name => ({ cluster: given, host: `127.0.0.${numberOf(name) + 1}`, port });
  }
  if (given.strategy !== 'static' && given.strategy !== 'hosts-file') return () => ({ cluster: given });
  const ports = await freePorts(listed);
  const nodes = ports.map(port => `127.0.0.1:${port}`);
  const path = join(folder, 'hosts');
  writeFileSync(path, `# The nodes of this run.\n${nodes.join('\n')}\n`);
  const cluster: KeywordOptions = given.strategy === 'static' ? { ...given, nodes } : { ...given, path };
  return name => ({ cluster, port: ports[numberOf(name) - 1] as number });
}

/** 3 for `search-3`. */
function numberOf(name: string): number {
  const number = Number(name.split('-').at(-1));
  if (number >= 1 && number <= listed) return number;
  throw new Error(`With this strategy a run has at most ${listed} nodes in all; ${name} would be one more.`);
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map(server => (server.address() as { port: number }).port);
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))));
  return ports;
}
