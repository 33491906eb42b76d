import { checkKeys, invalidOption } from '@foundation-ts/core';
import { DATA, wire } from './wire.js';

/** What a message between actors is; answers to calls and offers are replies. */
export type MessageKind = 'cast' | 'call' | 'offer' | 'reply';

/** Sends some messages that would travel on `data` on another channel. */
export interface ChannelRule {
  readonly channel: string;
  /** Only messages that are longer than this when encoded, bytes. */
  readonly aboveBytes?: number;
  /** Only messages of these kinds; default all. */
  readonly kinds?: readonly MessageKind[];
}

const KINDS: readonly MessageKind[] = ['cast', 'call', 'offer', 'reply'];
const KIND_OF: ReadonlyMap<unknown, MessageKind> = new Map<unknown, MessageKind>([
  [wire.cast, 'cast'],
  [wire.call, 'call'],
  [wire.offer, 'offer'],
  [wire.reply, 'reply'],
  [wire.fail, 'reply'],
]);

/**
 * Chooses channels by rules: the first that fits counts. Signals between actors are never moved, nor is what names a channel itself.
 * @throws FoundationError `invalid-option`
 */
export function channelRouter(
  rules: readonly ChannelRule[],
): ((channel: string, message: unknown, bytes: number) => string) | undefined {
  if (!Array.isArray(rules))
    throw invalidOption('channelRules', rules, "a list such as [{ aboveBytes: 65_536, channel: 'bulk' }]");
  for (const [index, rule] of rules.entries()) check(index, rule as ChannelRule);
  if (rules.length === 0) return undefined;
  return (channel, message, bytes) => {
    if (channel !== DATA) return channel;
    const kind = KIND_OF.get((message as readonly unknown[])[0]);
    if (kind === undefined) return channel;
    for (const { channel: other, aboveBytes = -1, kinds } of rules) {
      if (bytes > aboveBytes && (kinds === undefined || kinds.includes(kind))) return other;
    }
    return channel;
  };
}

function check(index: number, rule: ChannelRule): void {
  const option = `channelRules[${index}]`;
  if (typeof rule !== 'object' || rule === null) throw invalidOption(option, rule, '{ channel, aboveBytes?, kinds? }');
  checkKeys(option, rule, ['channel', 'aboveBytes', 'kinds']);
  const { channel, aboveBytes, kinds } = rule;
  if (typeof channel !== 'string' || channel === '')
    throw invalidOption(`${option}.channel`, channel, 'the name of a channel');
  if (aboveBytes !== undefined && !(typeof aboveBytes === 'number' && aboveBytes >= 0))
    throw invalidOption(`${option}.aboveBytes`, aboveBytes, 'bytes, from 0');
  if (kinds !== undefined && !(Array.isArray(kinds) && kinds.every(kind => KINDS.includes(kind as MessageKind))))
    throw invalidOption(`${option}.kinds`, kinds, `a list of ${KINDS.map(kind => `'${kind}'`).join(', ')}`);
}
