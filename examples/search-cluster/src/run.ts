import { type Answer, difference } from './answer.js';
import { compareFleets, countPerNode, type Fleet, type FleetChange, sameFleet, shardsOn } from './fleet.js';
import type { MembershipLog } from './membership-log.js';
import { until } from './patience.js';
import { placeOf } from './place.js';
import type { Query } from './query.js';
import type { SearchClient } from './search-client.js';
import type { SearchNode } from './search-node.js';
import type { ShareStatus } from './share.js';
import { formatMilliseconds, type Terminal } from './terminal.js';
import type { Workers } from './workers.js';

/** What a step did and how long it took; milliseconds. */
export interface StepReport {
  readonly step: string;
  readonly perNode: ReadonlyMap<string, number>;
  readonly rebuilt: number;
  readonly moved: number;
  /** From the deed to the membership's event. */
  readonly detection: number | undefined;
  /** From the deed until every shard answers where it now belongs. */
  readonly duration: number;
  readonly matched: number;
  readonly asked: number;
}

/** What a run consists of. */
export interface RunInit {
  readonly cluster: SearchNode;
  readonly client: SearchClient;
  readonly workers: Workers;
  readonly membership: MembershipLog;
  readonly terminal: Terminal;
  readonly manifest: string;
  readonly files: number;
  readonly shards: number;
  readonly questions: readonly Query[];
  readonly expected: readonly Answer[];
}

const formTimeout = 20_000;
const detectionTimeout = 30_000;
const indexTimeout = 60_000;
const rebalanceTimeout = 30_000;
/** A rebalance is over when no shard has moved for this long. */
const calmAfter = 1_500;
/** Wrong answers that are told one by one, each step. */
const mistakesShown = 5;
/** With so many shards a node, a node that joins is all but certain to be the right place for some of them. */
const shardsPerNodeToExpectMoves = 8;

/** The deeds of the demonstration. Each waits for the cluster to settle, checks its answers and reports. */
export class Run {
  readonly reports: StepReport[] = [];
  /** What was not as it must be; empty after a good run. */
  readonly problems: string[] = [];
  readonly #init: RunInit;
  #started = 1;

  constructor(init: RunInit) {
    this.#init = init;
  }

  /** The node of this process. */
  get ownName(): string {
    return this.#init.cluster.node.name;
  }

  /** Starts workers until the cluster has so many nodes, this one included. */
  async form(nodes: number): Promise<void> {
    const { terminal } = this.#init;
    const from = performance.now();
    const names = Array.from({ length: nodes - 1 }, () => this.#nextName());
    terminal.heading(
      `Starting ${nodes - 1} worker ${this.#init.workers.kind} beside this one (process ${process.pid})`,
    );
    await Promise.all(names.map(name => this.#init.workers.start(name)));
    await this.#untilMembers(nodes);
    terminal.print(`${nodes} nodes found each other in ${formatMilliseconds(performance.now() - from)}`);
  }

  /** Starts the shards and waits until they have read their files. */
  async index(): Promise<void> {
    const { terminal, client, shards, files, manifest } = this.#init;
    terminal.heading(`Starting ${shards} shards, spread by the distributed supervisor; they index ${files} files`);
    const from = performance.now();
    const started = client.startShards(manifest);
    const [fleet] = await Promise.all([this.#untilIndexed(), started]);
    await this.#report({ step: 'start', before: [], after: fleet, duration: performance.now() - from });
  }

  /** SIGKILL: the node is gone without a word, and its shards with their indexes. */
  async kill(name: string): Promise<void> {
    const { terminal, workers, membership } = this.#init;
    const before = await this.#fleet();
    const lost = shardsOn(before, name);
    terminal.heading(`SIGKILL to ${name}, which holds ${lost.length} shards`);
    const from = performance.now();
    await workers.end(name, 'SIGKILL');
    const noticed = await until(`nobody noticed that ${name} is gone`, detectionTimeout, () =>
      membership.first(name, ['unreachable', 'down'], from),
    );
    terminal.print(`noticed after ${formatMilliseconds(noticed - from)}`);
    const after = await this.#untilIndexed();
    const duration = performance.now() - from;
    const change = await this.#report({ step: `kill ${name}`, before, after, duration, detection: noticed - from });
    const [expected, got] = [lost.join(' '), change.rebuilt.join(' ')];
    if (expected !== got) {
      this.#problem(`after the kill shards ${got} were indexed anew; expected those of ${name}: ${expected}`);
    }
  }

  /** A new node: shards move to it and bring their indexes along. */
  async join(): Promise<void> {
    const { terminal, workers, shards, cluster } = this.#init;
    const name = this.#nextName();
    const before = await this.#fleet();
    terminal.heading(`Starting ${name}, a new node`);
    await workers.start(name);
    const from = performance.now();
    const members = workers.names().length + 1;
    await this.#untilMembers(members);
    const mustMove = shards >= shardsPerNodeToExpectMoves * members;
    const { after, settled } = await this.#untilCalm(fleet => !mustMove || shardsOn(fleet, name).length > 0);
    const duration = Math.max(0, settled - from);
    const change = await this.#report({ step: `join ${name}`, before, after, duration });
    this.#mustNotRebuild(`${name} joined ${cluster.node.name}'s cluster`, change);
  }

  /** SIGTERM: the node hands its shards over before it goes. */
  async leave(name: string): Promise<void> {
    const { terminal, workers, membership } = this.#init;
    const before = await this.#fleet();
    terminal.heading(`SIGTERM to ${name}, which holds ${shardsOn(before, name).length} shards`);
    const from = performance.now();
    const code = await workers.end(name, 'SIGTERM');
    if (code !== 0) this.#problem(`${name} ended with code ${code} on SIGTERM; expected 0`);
    const noticed = await until(`nobody noticed that ${name} left`, detectionTimeout, () =>
      membership.first(name, ['leaving', 'left'], from),
    );
    const after = await this.#untilIndexed();
    const duration = performance.now() - from;
    const change = await this.#report({ step: `leave ${name}`, before, after, duration, detection: noticed - from });
    this.#mustNotRebuild(`${name} left`, change);
  }

  /** Asks as fast as it can for a while, with so many queries under way at a time; every answer is checked. */
  async measure(milliseconds: number, inFlight: number): Promise<number> {
    const { terminal, questions } = this.#init;
    terminal.heading(`Asking for ${formatMilliseconds(milliseconds)}, ${inFlight} queries at a time`);
    const from = performance.now();
    let asked = 0;
    let wrong = 0;
    const ask = async (): Promise<void> => {
      while (performance.now() - from < milliseconds) {
        if ((await this.#mistake(asked++ % questions.length)) !== undefined) wrong += 1;
      }
    };
    await Promise.all(Array.from({ length: inFlight }, ask));
    const perSecond = Math.round((1000 * asked) / (performance.now() - from));
    terminal.print(`${perSecond} queries a second, ${asked - wrong} of ${asked} answers right`);
    if (wrong > 0) this.#problem(`${wrong} of ${asked} answers under load were wrong`);
    return perSecond;
  }

  /** Asks every question and compares each answer with that of the plain scan. */
  async verify(step: string): Promise<{ matched: number; asked: number }> {
    const { terminal, questions } = this.#init;
    const mistakes = await Promise.all(questions.map((_, number) => this.#mistake(number)));
    const matched = mistakes.filter(mistake => mistake === undefined).length;
    terminal.print(`${matched} of ${questions.length} answers are exactly those of the plain scan`);
    const texts = mistakes.flatMap((mistake, number) =>
      mistake === undefined ? [] : [`'${questions[number]?.text}': ${mistake}`],
    );
    for (const text of texts.slice(0, mistakesShown)) this.#problem(`${step}: ${text}`);
    if (texts.length > mistakesShown) this.#problem(`${step}: ${texts.length - mistakesShown} more wrong answers`);
    return { matched, asked: questions.length };
  }

  /** Node → its shards, at this moment. */
  async placement(): Promise<ReadonlyMap<string, number>> {
    return countPerNode(await this.#fleet());
  }

  /** The worker that holds the most shards. */
  async busiestWorker(): Promise<string | undefined> {
    const fleet = await this.#fleet();
    const names = this.#init.workers.names();
    return names.sort((a, b) => shardsOn(fleet, b).length - shardsOn(fleet, a).length)[0];
  }

  /** The worker that runs for the longest. */
  oldestWorker(): string | undefined {
    return this.#init.workers.names()[0];
  }

  async #report(step: {
    step: string;
    before: Fleet;
    after: Fleet;
    duration: number;
    detection?: number;
  }): Promise<FleetChange> {
    const { terminal } = this.#init;
    const change = compareFleets(step.before, step.after);
    const perNode = countPerNode(step.after);
    const places = [...perNode].map(([node, count]) => `${node}: ${count}`).join(', ');
    terminal.print(
      `settled after ${formatMilliseconds(step.duration)}: ${change.rebuilt.length} shards indexed from files, ` +
        `${change.moved.length} moved with their index; ${places}`,
    );
    const { matched, asked } = await this.verify(step.step);
    this.reports.push({
      step: step.step,
      perNode,
      rebuilt: change.rebuilt.length,
      moved: change.moved.length,
      detection: step.detection,
      duration: step.duration,
      matched,
      asked,
    });
    return change;
  }

  async #mistake(number: number): Promise<string | undefined> {
    const [question, expected] = [this.#init.questions[number], this.#init.expected[number]];
    if (question === undefined || expected === undefined) throw new RangeError(`There is no question ${number}.`);
    return difference(expected, await this.#init.client.search(question));
  }

  #mustNotRebuild(when: string, change: FleetChange): void {
    if (change.rebuilt.length > 0) {
      this.#problem(
        `when ${when}, shards ${change.rebuilt.join(' ')} were indexed anew; they had to bring their index`,
      );
    }
  }

  #problem(text: string): void {
    this.problems.push(text);
    this.#init.terminal.print(`WRONG: ${text}`);
  }

  async #untilMembers(count: number): Promise<void> {
    const { node } = this.#init.cluster;
    await until(`the cluster never had ${count} reachable members`, formTimeout, () =>
      node.members().filter(member => member.reachable && member.status === 'up').length === count ? true : undefined,
    );
  }

  /** Waits until all shards answer and have indexed all their files. */
  async #untilIndexed(): Promise<Fleet> {
    const { terminal, client, files, shards } = this.#init;
    const progress = terminal.progress('indexed', files);
    try {
      return await until(`not every shard had indexed its files`, indexTimeout, async () => {
        const statuses = await client.statuses();
        progress.update(statuses.reduce((sum, status) => sum + status.indexedFiles, 0));
        const complete = statuses.filter(status => status.indexedFiles === status.files);
        return complete.length === shards ? this.#toFleet(statuses) : undefined;
      });
    } finally {
      progress.stop();
    }
  }

  /** Waits until `condition` holds and no shard has moved for a while. */
  async #untilCalm(condition: (fleet: Fleet) => boolean): Promise<{ after: Fleet; settled: number }> {
    let last: Fleet = [];
    let settled = performance.now();
    await until('the shards never came to rest', rebalanceTimeout, async () => {
      const now = await this.#fleet();
      if (!sameFleet(last, now)) {
        last = now;
        settled = performance.now();
      }
      return condition(now) && performance.now() - settled >= calmAfter ? true : undefined;
    });
    return { after: last, settled };
  }

  /** All shards, asked until each has answered. */
  async #fleet(): Promise<Fleet> {
    return await until('not every shard could be reached', rebalanceTimeout, async () => {
      const statuses = await this.#init.client.statuses();
      return statuses.length === this.#init.shards ? this.#toFleet(statuses) : undefined;
    });
  }

  #toFleet(statuses: readonly ShareStatus[]): Fleet {
    const { workers } = this.#init;
    const own = placeOf(process.pid, 0);
    return statuses.map(({ shard, place, buildId, resumed }) => {
      const node = place === own ? this.ownName : (workers.nameAt(place) ?? place);
      return { shard, node, buildId, resumed };
    });
  }

  #nextName(): string {
    this.#started += 1;
    return `search-${this.#started}`;
  }
}
