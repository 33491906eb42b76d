import { createInterface } from 'node:readline/promises';
import { parseQuery } from './query.js';
import type { Run } from './run.js';
import type { SearchClient } from './search-client.js';
import { formatMilliseconds, type Terminal } from './terminal.js';
import type { Workers } from './workers.js';

const help = `Type words, or a phrase in double quotes, to search. Commands:
  :nodes          the nodes and how many shards each holds
  :kill [node]    SIGKILL to a worker (default: the one with the most shards)
  :join           start another worker
  :leave [node]   SIGTERM to a worker
  :verify         ask all questions again and compare with the plain scan
  :quit           stop the cluster (so do the end of input and Ctrl-C)`;

/** Reads queries and commands until the user has enough. */
export async function prompt(init: {
  run: Run;
  client: SearchClient;
  workers: Workers;
  terminal: Terminal;
}): Promise<void> {
  const input = createInterface({ input: process.stdin, output: process.stdout, prompt: 'search> ' });
  input.on('SIGINT', () => input.close());
  process.stdout.write(`\n${help}\n`);
  input.prompt();
  for await (const line of input) {
    if (line.trim() === ':quit') break;
    try {
      await obey(line.trim(), init);
    } catch (error) {
      process.stdout.write(`${error instanceof Error ? error.message : String(error)}\n`);
    }
    input.prompt();
  }
  input.close();
}

async function obey(line: string, { run, client, workers, terminal }: Parameters<typeof prompt>[0]): Promise<void> {
  const [command = '', argument] = line.split(/\s+/);
  const worker = async (): Promise<string> => {
    const name = argument ?? (await run.busiestWorker());
    if (name !== undefined && workers.names().includes(name)) return name;
    throw new Error(
      `There is no worker${name === undefined ? '' : ` ${name}`}; there are: ${workers.names().join(', ') || 'none'}.`,
    );
  };
  if (line === '') return;
  if (!line.startsWith(':')) return await answer(line, client);
  switch (command) {
    case ':nodes':
      return terminal.table(['node', 'shards'], [...(await run.placement())]);
    case ':kill':
      return await run.kill(await worker());
    case ':join':
      return await run.join();
    case ':leave':
      return await run.leave(await worker());
    case ':verify':
      await run.verify(':verify');
      return;
    default:
      process.stdout.write(`${help}\n`);
  }
}

async function answer(text: string, client: SearchClient): Promise<void> {
  const from = performance.now();
  const { matches, hits } = await client.search(parseQuery(text));
  const duration = formatMilliseconds(performance.now() - from);
  for (const hit of hits) process.stdout.write(`${hit.score.toFixed(4).padStart(8)}  ${hit.path}\n`);
  process.stdout.write(`${matches} matches in ${duration}\n`);
}
