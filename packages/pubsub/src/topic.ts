import { invalidOption } from '@foundation-ts/core';

/** A pub/sub name with the type of its messages. */
export interface Topic<T> {
  readonly name: string;
  /** The channel that carries its messages between nodes; undefined: the one that {@link channelOf} gives. */
  readonly channel: string | undefined;
  /** Exists in types only. */
  readonly '~message'?: T;
}

/** Standard topics, and those below them (`events.order`), travel on the channel of their name; `config` on `control`. */
const standard: ReadonlyMap<string, string> = new Map([
  ['control', 'control'],
  ['telemetry', 'telemetry'],
  ['events', 'events'],
  ['config', 'control'],
]);

/**
 * A typed topic. Topics of the same name are the same topic, on every node.
 * @param options.channel - default: the channel of the standard topic that the name begins with, else `'data'`
 * @throws FoundationError `invalid-option` for an empty name
 */
export function topic<T>(name: string, options: { readonly channel?: string } = {}): Topic<T> {
  if (typeof name !== 'string' || name.length === 0) throw invalidOption('name', name, 'a non-empty string');
  return { name, channel: options.channel };
}

/** The channel of a topic's messages. */
export function channelOf(given: Topic<unknown>): string {
  return given.channel ?? standard.get(given.name.split('.', 1)[0] as string) ?? 'data';
}
