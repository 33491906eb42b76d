import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectionOf, connectionsOver } from './connections.js';
import { type Corpus, listCorpus } from './corpus.js';
import { writeManifest } from './manifest.js';
import { MembershipLog } from './membership-log.js';
import { type Options, parseOptions, UsageError, usage } from './options.js';
import { scan } from './oracle.js';
import { prompt } from './prompt.js';
import { questionsFor } from './questions.js';
import { Run } from './run.js';
import { hitLimit, SearchClient } from './search-client.js';
import { startSearchNode } from './search-node.js';
import { formatBytes, formatMilliseconds, Terminal } from './terminal.js';
import { workerProcesses } from './worker-processes.js';
import { WorkerThreads } from './worker-threads.js';
import { Workers } from './workers.js';

const installedDependencies = fileURLToPath(new URL('../../../node_modules', import.meta.url));
const inFlight = 32;

const terminal = new Terminal();

async function main(options: Options): Promise<boolean> {
  const corpus = await listCorpus(options.folder ?? installedDependencies);
  terminal.print(`${corpus.files.length} files, ${formatBytes(corpus.bytes)}, under ${corpus.folder}`);
  if (corpus.tooLarge > 0) terminal.print(`left out: ${corpus.tooLarge} files over 1 MiB`);
  if (corpus.overLimit > 0) terminal.print(`left out: ${corpus.overLimit} files more than this demonstration takes`);
  const questions = await questionsFor(corpus);
  const scanned = performance.now();
  const expected = await scan(corpus, questions, hitLimit);
  const duration = formatMilliseconds(performance.now() - scanned);
  terminal.print(`a plain scan of all files answered ${questions.length} questions in ${duration}`);

  const folder = mkdtempSync(join(tmpdir(), 'search-cluster-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const manifest = join(folder, 'manifest.json');
  writeManifest(manifest, corpus);

  // An id of its own per run, so that two runs on one machine don't meet.
  const clusterId = `search-${randomBytes(6).toString('hex')}`;
  const name = 'search-1';
  const { host, connection } = await hostOf(options, name, folder);
  const workers = new Workers(clusterId, host, terminal.print);
  endOnSignals(workers);
  const cluster = await startSearchNode({ name, clusterId, handleSignals: false, ...connection });
  const stopped = new AbortController();
  try {
    const membership = new MembershipLog();
    const following = membership.follow(cluster.node.membership({ signal: stopped.signal }), terminal.print);
    following.catch(error => {
      if (!stopped.signal.aborted) throw error;
    });
    const client = new SearchClient(cluster, options.shards);
    const { length: files } = corpus.files;
    const { shards } = options;
    const run = new Run({
      ...{ cluster, client, workers, membership, terminal, manifest, files, shards, questions, expected },
    });
    const perSecond = await demonstrate(run, options);
    summarize(run, corpus, perSecond);
    if (options.interactive) await prompt({ run, client, workers, terminal });
    return run.problems.length === 0;
  } finally {
    stopped.abort();
    await workers.dispose();
    await cluster.node.stop();
  }
}

/** What the workers are, and how the node of this process talks with theirs. */
async function hostOf(options: Options, name: string, folder: string) {
  if (options.transport === 'threads') {
    const host = new WorkerThreads(name);
    return { host, connection: host.connection() };
  }
  const setupOf = await connectionsOver(options, folder);
  return { host: workerProcesses(setupOf), connection: connectionOf(await setupOf(name)) };
}

async function demonstrate(run: Run, options: Options): Promise<number> {
  await run.form(options.nodes);
  await run.index();
  await run.kill((await run.busiestWorker()) as string);
  await run.join();
  await run.leave(run.oldestWorker() as string);
  return await run.measure(options.measure, inFlight);
}

function summarize(run: Run, corpus: Corpus, perSecond: number): void {
  terminal.heading('Summary');
  const time = (duration: number | undefined) => (duration === undefined ? '' : formatMilliseconds(duration));
  terminal.table(
    [
      'step',
      'shards per node',
      'indexed\nfrom files',
      'moved with\ntheir index',
      'detected\nafter',
      'settled\nafter',
      'answers\nmatched',
    ],
    run.reports.map(report => [
      report.step,
      [...report.perNode].map(([node, count]) => `${node}: ${count}`).join('\n'),
      report.rebuilt,
      report.moved,
      time(report.detection),
      time(report.duration),
      `${report.matched} of ${report.asked}`,
    ]),
  );
  const matched = run.reports.reduce((sum, report) => sum + report.matched, 0);
  const asked = run.reports.reduce((sum, report) => sum + report.asked, 0);
  terminal.table(
    ['files', 'bytes', 'queries a second', 'answers matched'],
    [[corpus.files.length, formatBytes(corpus.bytes), perSecond, `${matched} of ${asked}`]],
  );
  const { length: wrong } = run.problems;
  terminal.print(wrong === 0 ? 'Every answer was exactly that of the plain scan.' : `${wrong} things were wrong:`);
  for (const problem of run.problems) terminal.print(`  ${problem}`);
}

/** A first signal ends the workers, then this process; a second one ends everything at once. */
function endOnSignals(workers: Workers): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    let first = true;
    process.on(signal, async () => {
      const code = 128 + constants.signals[signal];
      if (!first) process.exit(code);
      first = false;
      terminal.print(`${signal}: ending ${workers.names().length} workers`);
      await workers.dispose();
      process.exit(code);
    });
  }
}

try {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) process.stdout.write(usage);
  else process.exitCode = (await main(options)) ? 0 : 1;
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(error instanceof UsageError ? `${message}\n\n${usage}` : `${message}\n`);
  process.exitCode = 1;
}
process.exit();
