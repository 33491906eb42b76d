import { isMainThread, type MessagePort, workerData } from 'node:worker_threads';

/** What a thread that was started as a node gets from the node that started it. */
export interface ThreadData {
  readonly name: string;
  readonly clusterId: string;
  /** Questions and answers between the thread and its node; see {@link ThreadRequest}, {@link ThreadReport}. */
  readonly control: MessagePort;
  /** One counter, which the thread raises as long as its event loop turns. */
  readonly beat: Int32Array;
  /** Milliseconds between two beats. */
  readonly beatInterval: number;
  /** The way to the others when the cluster lives in this process alone; undefined: the thread joins the cluster as any process does. */
  readonly port: MessagePort | undefined;
  /** Everybody who may be there, by thread name. */
  readonly peers: readonly string[];
}

/** To the thread. */
export type ThreadRequest = { readonly type: 'stop'; readonly timeout: number };

/** From the thread. */
export type ThreadReport = { readonly type: 'ready' } | { readonly type: 'stopped'; readonly why: string };

const KEY = 'foundation-ts thread';

/** The worker data of a thread that is to be a node. */
export function threadDataFor(data: ThreadData): object {
  return { [KEY]: data };
}

/** What this thread was started with, if a node started it. */
export function threadData(): ThreadData | undefined {
  if (isMainThread || typeof workerData !== 'object' || workerData === null) return undefined;
  return (workerData as { readonly [KEY]?: ThreadData })[KEY];
}
