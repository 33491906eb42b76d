import { child } from 'foundation-ts';
import { type Answer, mergeAnswers } from './answer.js';
import { until } from './patience.js';
import type { Query } from './query.js';
import type { SearchNode } from './search-node.js';
import { Shard } from './shard.js';
import type { ShareStatus } from './share.js';

/** How many hits an answer lists. */
export const hitLimit = 10;

/** How long one shard may take to answer, counting a move or a restart in the meantime. */
const answerTimeout = 20_000;
/** How long one attempt to reach a shard may take. */
const attemptTimeout = 2_000;

/** Asks all shards, wherever they run. */
export class SearchClient {
  readonly #cluster: SearchNode;
  readonly #ids: readonly string[];

  constructor(cluster: SearchNode, shards: number) {
    this.#cluster = cluster;
    this.#ids = Array.from({ length: shards }, (_, shard) => `shard-${shard}`);
  }

  /** Starts every shard somewhere in the cluster. */
  async startShards(manifest: string): Promise<void> {
    const shards = this.#ids.length;
    await Promise.all(
      this.#ids.map((id, shard) => this.#cluster.shards.startChild(child(Shard({ manifest, shard, shards }), { id }))),
    );
  }

  /** The answer of all shards together. */
  async search(query: Query): Promise<Answer> {
    const answers = await Promise.all(this.#ids.map(id => this.#searchShard(id, query)));
    return mergeAnswers(answers, hitLimit);
  }

  /** What the shards say that can be reached at this moment. */
  async statuses(): Promise<ShareStatus[]> {
    const asked = this.#ids.map(id => this.#shard(id).call('status', undefined, { timeout: attemptTimeout }));
    const settled = await Promise.allSettled(asked);
    return settled.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []));
  }

  #searchShard(id: string, query: Query): Promise<Answer> {
    return until(`${id} did not answer '${query.text}'`, answerTimeout, async () => {
      const answer = await this.#shard(id).call('search', { query, limit: hitLimit }, { timeout: attemptTimeout });
      return answer ?? undefined;
    });
  }

  #shard(id: string) {
    return this.#cluster.node.via(Shard, id);
  }
}
