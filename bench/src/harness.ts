import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { Bench, Contender, Metric, Values } from './bench.js';
import { type Spread, spreadOf } from './stats.js';

/** Sent to a contender's process. */
export interface Order {
  readonly size: number;
}

/** What a contender's process answers, to its start and to each order. */
export type Answer = { readonly values: Values } | { readonly error: string };

export interface Plan {
  readonly rounds: number;
  /** Rounds before those that count. */
  readonly warmUp: number;
  readonly size: (bench: Bench) => number;
}

/** The Node that contenders run on. */
export interface Runtime {
  readonly execPath: string;
  /** As `process.version`. */
  readonly version: string;
}

/** How one contender did in one metric; none when it failed or can't measure it. */
export interface Standing {
  readonly contender: Contender;
  readonly spread: Spread;
}

export interface Outcome {
  readonly bench: Bench;
  readonly runtime: Runtime;
  readonly byMetric: ReadonlyMap<Metric, readonly Standing[]>;
  readonly failures: readonly string[];
}

/** Longest that one round may take, milliseconds. */
const roundTimeout = 120_000;

class Runner {
  readonly contender: Contender;
  readonly rounds: Values[] = [];
  failure: string | undefined;
  readonly #child: ChildProcess;

  constructor(bench: Bench, contender: Contender, runtime: Runtime) {
    this.contender = contender;
    this.#child = fork(join(import.meta.dirname, 'contender.js'), [bench.id, contender.name], {
      execPath: runtime.execPath,
      execArgv: ['--expose-gc'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
  }

  /** The next answer, as values; a failure is kept, and the contender is out from then on. */
  async answer(): Promise<Values | undefined> {
    const answer = await this.#next();
    if ('values' in answer) return answer.values;
    this.failure = answer.error;
    this.#child.kill('SIGKILL');
    return undefined;
  }

  async round(size: number): Promise<Values | undefined> {
    const order: Order = { size: Math.max(1, Math.round(size * (this.contender.share ?? 1))) };
    const answer = this.answer();
    this.#child.send(order);
    return await answer;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = new Promise(resolve => this.#child.once('exit', resolve));
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 2_000);
    await exited;
    clearTimeout(timer);
  }

  #next(): Promise<Answer> {
    return new Promise(resolve => {
      const settle = (answer: Answer) => {
        clearTimeout(timer);
        this.#child.off('message', settle).off('exit', exited);
        resolve(answer);
      };
      const exited = (code: number | null, signal: string | null) =>
        settle({ error: `its process ended (${signal ?? `exit code ${code}`})` });
      const timer = setTimeout(() => settle({ error: `no answer within ${roundTimeout} ms` }), roundTimeout);
      this.#child.on('message', settle).on('exit', exited);
    });
  }
}

/** Runs a bench: each round lets every contender have its turn, starting with another one each time. */
export async function measure(bench: Bench, plan: Plan, runtime: Runtime): Promise<Outcome> {
  const runners: Runner[] = [];
  try {
    for (const contender of bench.contenders) {
      const runner = new Runner(bench, contender, runtime);
      runners.push(runner);
      await runner.answer();
    }
    for (let round = -plan.warmUp; round < plan.rounds; round++) {
      for (let turn = 0; turn < runners.length; turn++) {
        const runner = runners[(turn + round + plan.warmUp) % runners.length];
        if (runner === undefined || runner.failure !== undefined) continue;
        const values = await runner.round(plan.size(bench));
        if (values !== undefined && round >= 0) runner.rounds.push(values);
      }
    }
  } finally {
    await Promise.all(runners.map(runner => runner.stop()));
  }
  return {
    bench,
    runtime,
    byMetric: new Map(bench.metrics.map(metric => [metric, standings(runners, metric)])),
    failures: runners.flatMap(({ contender, failure }) =>
      failure === undefined ? [] : `${contender.name}: ${failure}`,
    ),
  };
}

function standings(runners: readonly Runner[], metric: Metric): readonly Standing[] {
  return runners.flatMap(({ contender, rounds, failure }) => {
    const values = rounds.map(round => round[metric.id]).filter(value => value !== undefined);
    return failure !== undefined || values.length === 0 ? [] : { contender, spread: spreadOf(values) };
  });
}
