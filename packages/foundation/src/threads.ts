import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { ClusterNode } from '@foundation-ts/cluster';
import {
  type ActorSystem,
  actor,
  type Context,
  child,
  FoundationError,
  supervisor,
  type Timer,
} from '@foundation-ts/core';
import type { ThreadBroker } from '@foundation-ts/transport/threads';
import { STOP_TIMEOUT } from './defaults.js';
import type { ResolvedThreads } from './thread-options.js';
import { type ThreadReport, type ThreadRequest, threadDataFor } from './thread-protocol.js';

/** What one thread is started with; never leaves its node. */
interface ThreadArgument {
  readonly name: string;
  readonly clusterId: string;
  readonly peers: readonly string[];
  readonly broker: ThreadBroker | undefined;
  readonly options: ResolvedThreads;
  readonly system: ActorSystem;
  /** Told at each start, with what resolves when the thread's node runs. */
  readonly started: (ready: Promise<void>) => void;
}

interface ThreadState {
  readonly thread: Thread;
  /** Why the thread has ended, or did not start. */
  failure: Error | undefined;
}

/**
 * One worker thread, as an actor: the thread's end is the actor's end, so its supervisor starts it again. A watchdog terminates a thread
 * whose event loop stands still, which nothing inside it could do.
 */
const ThreadRunner = actor({
  name: 'thread',
  localOnly: true,
  init: (argument: ThreadArgument, ctx: Context): ThreadState => {
    const ended = (error: Error): void => {
      state.failure ??= error;
      ctx.castSelf('ended');
    };
    const state: ThreadState = { thread: new Thread(argument, ended), failure: undefined };
    const { ready } = state.thread;
    ready.catch(ended);
    argument.started(ready);
    // Then "terminate" does not run, and the thread would outlive its actor, with its name taken.
    ctx.signal.addEventListener('abort', () => {
      if (ctx.signal.reason === 'killed') state.thread.abandon();
    });
    return state;
  },
  casts: {
    // Other nodes can send this too: it counts when the thread has ended.
    ended: ({ failure }) => {
      if (failure !== undefined) throw failure;
    },
  },
  // Trapping exits, it ends in order, so that the thread's node has the time to leave.
  onExit: () => {},
  terminate: state => state.thread.stop(),
});

/** The names of a node's threads. */
export function threadNames(node: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${node}-thread-${index + 1}`);
}

/**
 * Starts the threads of a node under its supervision, and waits until their nodes run.
 * @throws (rejects) FoundationError `start-failed`
 */
export async function startThreads(
  node: ClusterNode,
  options: ResolvedThreads,
  broker: ThreadBroker | undefined,
): Promise<void> {
  const names = threadNames(node.name, options.count);
  const peers = [node.name, ...names];
  const first: Promise<void>[] = [];
  const started = (ready: Promise<void>): void => {
    if (first.length < names.length) first.push(ready);
  };
  const children = names.map(name =>
    child(ThreadRunner({ name, clusterId: node.clusterId, peers, broker, options, system: node.system, started }), {
      id: name,
      shutdown: STOP_TIMEOUT + 2_000,
    }),
  );
  // A thread that can't be kept running is tried again for ever, ever slower: the node lives on without it.
  const tree = supervisor({ children, maxRestarts: 1_000, within: 60_000, backoff: { initial: 100, max: 10_000 } });
  await node.startSystemActor(tree, '$threads');
  await Promise.all(first);
}

class Thread {
  /** Resolves when the thread's node runs; rejects with `start-failed`. */
  readonly ready: Promise<void>;
  readonly #argument: ThreadArgument;
  readonly #worker: Worker;
  readonly #control: MessagePort;
  readonly #beat = new Int32Array(new SharedArrayBuffer(4));
  readonly #exited: Promise<void>;
  readonly #ended: (error: Error) => void;
  #watchdog: Timer | undefined = undefined;
  #lastBeat = -1;
  /** Milliseconds without a beat. */
  #silence = 0;
  #lastLook: number;
  #why: Error | undefined = undefined;
  #isReady = false;
  #stopping = false;

  constructor(argument: ThreadArgument, ended: (error: Error) => void) {
    this.#argument = argument;
    this.#ended = ended;
    const { name, clusterId, peers, broker, options, system } = argument;
    const { port1, port2 } = new MessageChannel();
    this.#control = port1;
    const port = broker?.connect(name);
    this.#worker = new Worker(options.entry, {
      name,
      workerData: threadDataFor({
        name,
        clusterId,
        control: port2,
        beat: this.#beat,
        beatInterval: options.beatInterval,
        port,
        peers,
      }),
      transferList: port === undefined ? [port2] : [port2, port],
      ...(options.maxOldGenerationSizeMb === undefined
        ? {}
        : { resourceLimits: { maxOldGenerationSizeMb: options.maxOldGenerationSizeMb } }),
    });
    this.#lastLook = system.clock.now();
    this.#control.on('message', (report: ThreadReport) => {
      if (report.type === 'stopped') this.#nodeStopped(report.why);
    });
    this.#worker.on('error', error => {
      this.#why ??= error instanceof Error ? error : new Error(String(error), { cause: error });
    });
    this.#exited = new Promise(resolve => {
      this.#worker.once('exit', code => {
        this.#gone(code);
        resolve();
      });
    });
    this.ready = this.#whenReady();
    this.ready.catch(() => {});
    this.#watch();
  }

  #whenReady(): Promise<void> {
    const { name, options, system } = this.#argument;
    return new Promise((resolve, reject) => {
      const failed = (why: string): void =>
        reject(new FoundationError('start-failed', `Thread '${name}' did not start: ${why}`, { cause: this.#why }));
      const timer = system.clock.setTimeout(
        () => failed(`its node did not run within ${options.startTimeout} ms. Does ${options.entry} call startNode()?`),
        options.startTimeout,
      );
      this.#control.on('message', (report: ThreadReport) => {
        if (report.type !== 'ready') return;
        this.#isReady = true;
        timer.cancel();
        resolve();
      });
      void this.#exited.then(() => {
        timer.cancel();
        failed(this.#why?.message ?? 'it ended before its node ran.');
      });
    });
  }

  #watch(): void {
    const { options, system } = this.#argument;
    this.#watchdog = system.clock.setTimeout(
      () => {
        this.#look();
        if (this.#watchdog !== undefined) this.#watch();
      },
      options.beatInterval,
      { unref: true },
    );
  }

  /** A look that comes late itself (this thread stood still, or the whole process) counts as one in time: what was before it proves nothing. */
  #look(): void {
    const { name, options, system } = this.#argument;
    const now = system.clock.now();
    const beat = Atomics.load(this.#beat, 0);
    const elapsed = now - this.#lastLook;
    this.#lastLook = now;
    if (beat !== this.#lastBeat || beat === 0) {
      this.#lastBeat = beat;
      this.#silence = 0;
      return;
    }
    this.#silence += elapsed > 3 * options.beatInterval ? options.beatInterval : elapsed;
    const silence = this.#silence;
    if (silence < options.hangTimeout) return;
    this.#why = new FoundationError(
      'timeout',
      `Thread '${name}' hung for ${Math.round(silence)} ms and was terminated.`,
    );
    system.log.error(
      { thread: name, silence: Math.round(silence) },
      'a thread hangs; it is terminated and started again',
    );
    system.telemetry.emit('thread.hung', { silence }, { thread: name });
    void this.terminate();
  }

  /** Its node has left by itself, or was held for gone by the others: only a new one can take its place. */
  #nodeStopped(why: string): void {
    if (this.#stopping) return;
    this.#why ??= new Error(`Thread '${this.#argument.name}' was ended, because its node has stopped (${why}).`);
    void this.terminate();
  }

  #gone(code: number): void {
    const { name, broker } = this.#argument;
    this.#watchdog?.cancel();
    this.#watchdog = undefined;
    this.#control.close();
    broker?.disconnect(name);
    if (this.#stopping) return;
    this.#ended(this.#why ?? new Error(`Thread '${name}' ended with code ${code}.`));
  }

  /** Lets the thread's node leave in order, then ends the thread. */
  async stop(): Promise<void> {
    this.#stopping = true;
    // A thread that got stuck on its way to a node would never answer.
    if (this.#isReady) await this.#leave();
    await this.terminate();
  }

  #leave(): Promise<void> {
    const { clock } = this.#argument.system;
    return new Promise<void>(resolve => {
      const timer = clock.setTimeout(resolve, STOP_TIMEOUT);
      const done = (): void => {
        timer.cancel();
        resolve();
      };
      this.#control.on('message', (report: ThreadReport) => {
        if (report.type === 'stopped') done();
      });
      void this.#exited.then(done);
      const request: ThreadRequest = { type: 'stop', timeout: STOP_TIMEOUT };
      this.#control.postMessage(request);
    });
  }

  /** Ends the thread now; nobody waits for it. */
  abandon(): void {
    this.#stopping = true;
    void this.terminate();
  }

  /** Ends the thread now, whatever it does. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
    await this.#exited;
  }
}
