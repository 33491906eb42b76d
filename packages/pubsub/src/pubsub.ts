import type { ClusterNode } from '@foundation-ts/cluster';
import {
  type AnyDefinition,
  actor,
  checkKeys,
  FoundationError,
  invalidOption,
  type Pid,
  type Ref,
  type TopicSource,
} from '@foundation-ts/core';
import { SUBSCRIPTION_QUEUE } from './defaults.js';
import { channelOf, type Topic } from './topic.js';

/** The local name of the actor that takes messages from other nodes. */
const NAME = '$pubsub';

/** A subscription of code outside actors. Iterating it takes its messages; ends when closed. */
export interface Subscription<T> extends AsyncIterable<T> {
  /** Messages dropped because the queue was full. */
  readonly dropped: number;
  close(): void;
}

interface Subscriber {
  readonly pid: Pid | undefined;
  deliver(message: unknown): void;
}

interface Delivery {
  readonly topic: string;
  readonly message: unknown;
}

/**
 * Topics within a node and across the cluster. A message crosses the network once per node and is fanned out there; it is delivered at
 * most once, in the order in which its sender broadcast it, to those subscribed on a node when it arrives there.
 */
export class PubSub implements TopicSource {
  readonly #node: ClusterNode;
  readonly #topics = new Map<string, Set<Subscriber>>();

  private constructor(node: ClusterNode) {
    this.#node = node;
  }

  /** Starts pub/sub on a node; the nodes that have it exchange messages. */
  static async start(node: ClusterNode): Promise<PubSub> {
    const pubsub = new PubSub(node);
    const Receiver = actor({
      name: 'pubsub-receiver',
      localOnly: true,
      init: () => ({}),
      casts: {
        deliver: (_state, delivery: Delivery) => pubsub.#receive(delivery),
      },
    });
    await node.startSystemActor(Receiver(), NAME);
    node.system.topics = pubsub;
    return pubsub;
  }

  /** Sends to every subscriber in the cluster. @throws FoundationError `not-sendable`, `too-large` */
  broadcast<T>(topic: Topic<T>, message: T): void {
    checkTopic(topic);
    const copy = this.#copied(message);
    this.#toOthers(topic, message);
    this.#deliver(topic.name, copy, undefined);
  }

  /** As {@link broadcast}, but not to the actor that sends it. */
  broadcastFrom<T>(sender: Ref | Pid, topic: Topic<T>, message: T): void {
    checkTopic(topic);
    const copy = this.#copied(message);
    this.#toOthers(topic, message);
    this.#deliver(topic.name, copy, 'pid' in sender ? sender.pid : sender);
  }

  /** Sends to the subscribers of this node. */
  localBroadcast<T>(topic: Topic<T>, message: T): void {
    checkTopic(topic);
    this.#deliver(topic.name, this.#copied(message), undefined);
  }

  /** Sends to the subscribers of one member. @throws FoundationError `not-sendable`, `too-large` */
  directBroadcast<T>(member: string, topic: Topic<T>, message: T): void {
    checkTopic(topic);
    if (member === this.#node.name) this.localBroadcast(topic, message);
    else this.#send(member, topic, message);
  }

  /**
   * Subscribes code outside actors: an async iterable, with a bounded queue that drops the oldest message when full. Inside an
   * actor use `ctx.subscribe`.
   * @param options.signal - closes the subscription
   * @param options.capacity - messages that wait; default 10,000
   */
  subscribe<T>(
    topic: Topic<T>,
    options: { readonly signal?: AbortSignal; readonly capacity?: number } = {},
  ): Subscription<T> {
    checkTopic(topic);
    checkKeys('subscribe()', options, ['signal', 'capacity']);
    const { signal, capacity = SUBSCRIPTION_QUEUE } = options;
    if (!(capacity >= 1)) throw invalidOption('capacity', capacity, 'a number of messages, 1 or more');
    const close = (): void => subscription.close();
    const subscription = new QueuedSubscription<T>(capacity, () => {
      off();
      signal?.removeEventListener('abort', close);
    });
    const off = this.#add(topic.name, { pid: undefined, deliver: message => subscription.push(message as T) });
    if (signal?.aborted === true) close();
    else signal?.addEventListener('abort', close, { once: true });
    return subscription;
  }

  subscribeActor(topic: string, subscriber: Pid, op: string): () => void {
    const process = this.#node.system.process(subscriber);
    if (process === undefined)
      throw new FoundationError('noproc', `${subscriber} can't subscribe to '${topic}': it is no live local actor.`);
    const off = this.#add(topic, { pid: subscriber, deliver: message => process.enqueueCast(op, message) });
    const unwatch = this.#node.system.watch(subscriber, off);
    return () => {
      unwatch();
      off();
    };
  }

  /** How many subscribers a topic has on this node. */
  subscriberCount(topic: Topic<unknown>): number {
    return this.#topics.get(topic.name)?.size ?? 0;
  }

  #add(topic: string, subscriber: Subscriber): () => void {
    let subscribers = this.#topics.get(topic);
    if (subscribers === undefined) {
      subscribers = new Set();
      this.#topics.set(topic, subscribers);
    }
    subscribers.add(subscriber);
    return () => {
      subscribers.delete(subscriber);
      if (subscribers.size === 0 && this.#topics.get(topic) === subscribers) this.#topics.delete(topic);
    };
  }

  /** What a peer sends may be anything. */
  #receive(delivery: Partial<Delivery> | null | undefined): void {
    if (typeof delivery?.topic === 'string') this.#deliver(delivery.topic, delivery.message, undefined);
  }

  /** As local payloads do under `strictMessages`. */
  #copied<T>(message: T): T {
    const { copy } = this.#node.system;
    return copy === undefined ? message : (copy(message) as T);
  }

  #deliver(topic: string, message: unknown, except: Pid | undefined): void {
    const subscribers = this.#topics.get(topic);
    if (subscribers === undefined) return;
    for (const subscriber of subscribers) {
      if (except === undefined || subscriber.pid?.equals(except) !== true) subscriber.deliver(message);
    }
  }

  #toOthers(topic: Topic<unknown>, message: unknown): void {
    for (const member of this.#node.members()) {
      if (member.reachable && member.name !== this.#node.name) this.#send(member.name, topic, message);
    }
  }

  #send(member: string, topic: Topic<unknown>, message: unknown): void {
    const receiver = this.#node.system.refOn<AnyDefinition>(member, NAME) as unknown as Receiving;
    receiver.cast('deliver', { topic: topic.name, message }, { channel: channelOf(topic) });
  }
}

interface Receiving {
  cast(op: 'deliver', delivery: Delivery, options: { readonly channel: string }): void;
}

/** @throws FoundationError `invalid-option` */
function checkTopic(given: Topic<unknown>): void {
  if (typeof given?.name !== 'string') throw invalidOption('topic', given, "a topic, made by topic('name')");
}

class QueuedSubscription<T> implements Subscription<T> {
  dropped = 0;
  readonly #capacity: number;
  readonly #onClose: () => void;
  readonly #queue: T[] = [];
  #wake: (() => void) | undefined = undefined;
  #closed = false;

  constructor(capacity: number, onClose: () => void) {
    this.#capacity = capacity;
    this.#onClose = onClose;
  }

  push(message: T): void {
    if (this.#closed) return;
    if (this.#queue.length >= this.#capacity) {
      this.#queue.shift();
      this.dropped++;
    }
    this.#queue.push(message);
    this.#wake?.();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClose();
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    try {
      while (true) {
        while (this.#queue.length > 0) yield this.#queue.shift() as T;
        if (this.#closed) return;
        await new Promise<void>(resolve => {
          this.#wake = resolve;
        });
      }
    } finally {
      this.close();
    }
  }
}
