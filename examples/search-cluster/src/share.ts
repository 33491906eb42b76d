import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';
import type { Answer } from './answer.js';
import type { CorpusFile } from './corpus.js';
import { InvertedIndex, type PlainIndex } from './inverted-index.js';
import { readManifest } from './manifest.js';
import { placeOf } from './place.js';
import type { Query } from './query.js';

/** Which part of which corpus. */
export interface ShareArgument {
  /** The file that lists the corpus. */
  readonly manifest: string;
  readonly shard: number;
  readonly shards: number;
}

/** What is known of a share, for progress and for the proof that a move read no file again. */
export interface ShareStatus {
  readonly shard: number;
  /** The process and thread that hold it, as it sees them itself. */
  readonly place: string;
  readonly files: number;
  readonly indexedFiles: number;
  readonly indexedBytes: number;
  /** A new one each time that an index is begun from the files; an index that is handed over keeps it. */
  readonly buildId: string;
  /** How often the index was handed from one node to another. */
  readonly resumed: number;
}

/** What of a share travels to another node. */
export interface HandedShare {
  readonly buildId: string;
  readonly resumed: number;
  readonly indexedBytes: number;
  readonly index: PlainIndex;
}

/** How much is read before other messages get their turn. */
const sliceBytes = 256 * 1024;

/** The files of one shard and the index over those of them that were read so far. */
export class Share {
  readonly #argument: ShareArgument;
  readonly #folder: string;
  readonly #files: readonly CorpusFile[];
  readonly #index: InvertedIndex;
  readonly #buildId: string;
  readonly #resumed: number;
  #indexedBytes: number;

  private constructor(argument: ShareArgument, handed: Omit<HandedShare, 'index'>, index: InvertedIndex) {
    const { folder, files } = readManifest(argument.manifest, argument.shard, argument.shards);
    this.#argument = argument;
    this.#folder = folder;
    this.#files = files;
    this.#index = index;
    this.#buildId = handed.buildId;
    this.#resumed = handed.resumed;
    this.#indexedBytes = handed.indexedBytes;
  }

  /** A share with nothing indexed yet. */
  static begin(argument: ShareArgument): Share {
    return new Share(argument, { buildId: randomUUID(), resumed: 0, indexedBytes: 0 }, new InvertedIndex());
  }

  /** A share that goes on where another node left it. */
  static resume(handed: HandedShare, argument: ShareArgument): Share {
    return new Share(argument, { ...handed, resumed: handed.resumed + 1 }, InvertedIndex.fromPlain(handed.index));
  }

  handOver(): HandedShare {
    return {
      buildId: this.#buildId,
      resumed: this.#resumed,
      indexedBytes: this.#indexedBytes,
      index: this.#index.toPlain(),
    };
  }

  get complete(): boolean {
    return this.#index.documentCount === this.#files.length;
  }

  /** Reads and indexes the next few files. */
  async indexSlice(): Promise<void> {
    const sliceEnd = this.#indexedBytes + sliceBytes;
    while (!this.complete && this.#indexedBytes < sliceEnd) {
      const { path, bytes } = this.#files[this.#index.documentCount] as CorpusFile;
      this.#index.add(path, await readFile(join(this.#folder, path), 'utf8'));
      this.#indexedBytes += bytes;
    }
  }

  /** The answer of this share, or `null` while files are missing from the index: half an answer is a wrong one. */
  search(query: Query, limit: number): Answer | null {
    return this.complete ? this.#index.search(query, limit) : null;
  }

  status(): ShareStatus {
    return {
      shard: this.#argument.shard,
      place: placeOf(process.pid, threadId),
      files: this.#files.length,
      indexedFiles: this.#index.documentCount,
      indexedBytes: this.#indexedBytes,
      buildId: this.#buildId,
      resumed: this.#resumed,
    };
  }
}
