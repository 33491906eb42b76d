import { type Address, FoundationError, type Timer } from '@foundation-ts/core';
import {
  type AgreedChannel,
  agreeChannel,
  type ChannelOffer,
  FALLBACK_CHANNEL,
  type ResolvedChannel,
} from '../channel.js';
import { ChannelConnection } from './channel-connection.js';
import { joinChannel } from './joining.js';
import type { Session } from './session.js';
import type { Settings } from './settings.js';

/** How long after a failure a channel that was opened at run time is tried again, milliseconds. */
const RETRY = 1_000;

export interface SessionChannelsInit {
  readonly settings: Settings;
  readonly agreed: readonly AgreedChannel[];
  /** What this side has told the other of its channels. */
  readonly told: readonly ResolvedChannel[];
  readonly offers: readonly ChannelOffer[];
  readonly inflates: number;
  readonly fragmentBytes: number;
  /** Where further connections are dialled; undefined on the side that was dialled. */
  readonly target: Address | undefined;
}

/**
 * The channels of a session: those that both sides had when it began, and those opened and closed since. Both sides tell each other
 * what they declare now; the side that dialled adds connections for what both have, and each side ends what either lacks.
 */
export class SessionChannels {
  /** One for each connection of each channel; those of the beginning in the order that both sides know. */
  slots: readonly ChannelConnection[] = [];
  byPriority: readonly ChannelConnection[] = [];
  readonly #session: Session;
  readonly #init: SessionChannelsInit;
  readonly #byName = new Map<string, readonly ChannelConnection[]>();
  /** The channel asked for last by {@link of}. */
  #latest: string | undefined;
  #latestConnections: readonly ChannelConnection[] = [];
  /** Opened, but not all connections stand. */
  readonly #joining = new Map<string, readonly ChannelConnection[]>();
  readonly #fallback: readonly ChannelConnection[];
  /** The channels that have been there since the beginning. */
  readonly #first: Set<string>;
  #told: readonly ResolvedChannel[];
  #offers: readonly ChannelOffer[];
  #retry: Timer | undefined;

  constructor(session: Session, init: SessionChannelsInit) {
    this.#session = session;
    this.#init = init;
    this.#told = init.told;
    this.#offers = init.offers;
    for (const agreed of init.agreed) this.#byName.set(agreed.channel.name, this.#connections(agreed));
    this.#first = new Set(this.#byName.keys());
    this.#setSlots([...this.#byName.values()].flat());
    const fallback = this.#byName.get(FALLBACK_CHANNEL) ?? this.#byName.values().next().value;
    if (fallback === undefined) throw new Error('a session without channels');
    this.#fallback = fallback;
  }

  /** The connections of a channel, or of the one that stands in for it. */
  of(channel: string): readonly ChannelConnection[] {
    if (channel !== this.#latest) {
      this.#latest = channel;
      this.#latestConnections = this.#byName.get(channel) ?? this.#fallback;
    }
    return this.#latestConnections;
  }

  /** The connections on which something sent on one of these channels may be under way; undefined for any channel. */
  carriers(names: readonly string[] | undefined): readonly ChannelConnection[] {
    const open = this.slots.filter(slot => !slot.silent);
    if (names === undefined) return open;
    // What was sent on a channel before it was opened travels on the fallback.
    const fallback = names.some(name => !this.#first.has(name) || !this.#byName.has(name));
    return open.filter(slot => names.includes(slot.channel) || (fallback && this.#fallback.includes(slot)));
  }

  rise(): void {
    for (const slot of this.slots) this.#rise(slot);
    this.announce();
  }

  /** Tells the other side what this node declares now, if that has changed. */
  announce(): void {
    const { channels } = this.#init.settings;
    if (channels === this.#told) return;
    this.#told = channels;
    this.slots[0]?.sendOffers(channels);
    this.#reconcile();
  }

  /** The other side declares something else now. @throws FoundationError `protocol` */
  offered(offers: readonly ChannelOffer[]): void {
    const fallback = this.#fallback[0]?.channel;
    if (!offers.some(([name]) => name === fallback))
      throw new FoundationError('protocol', `The peer closed the channel '${fallback}', which others fall back to.`);
    this.#offers = offers;
    this.#reconcile();
  }

  /** The place for a further connection that the other side brings. */
  place(name: string, index: number): ChannelConnection | undefined {
    let connections = this.#joining.get(name);
    if (connections === undefined) {
      const agreed = this.#openable(name);
      if (agreed === undefined) return undefined;
      connections = this.#connections(agreed);
      this.#joining.set(name, connections);
      this.#limit(name, connections);
    }
    const slot = connections[index];
    return slot?.bound === true ? undefined : slot;
  }

  /** Whether that connection of a channel that is being opened is still awaited. */
  awaits(slot: ChannelConnection): boolean {
    return this.#joining.get(slot.channel)?.includes(slot) === true;
  }

  /** Whether neither side has closed the channel, or opened it otherwise, since that connection of it was begun. */
  isCurrent({ channel, agreed }: ChannelConnection): boolean {
    const now = this.#agreed(channel);
    return now !== undefined && now.channel === agreed.channel && isSame(now, agreed);
  }

  /** A further connection stands. */
  joined(slot: ChannelConnection): void {
    const connections = this.#joining.get(slot.channel);
    if (connections === undefined || !connections.every(each => each.bound)) return;
    this.#joining.delete(slot.channel);
    this.#byName.set(slot.channel, connections);
    this.#latest = undefined;
    this.#setSlots([...this.slots, ...connections]);
    for (const each of connections) this.#rise(each);
    for (const each of connections) each.release();
    this.#emit('transport.channel.opened', slot.channel);
    // It may have been closed meanwhile, or opened otherwise.
    this.#reconcile();
  }

  /** A channel's connection is over. @returns whether the session goes on */
  lost(slot: ChannelConnection): boolean {
    if (this.awaits(slot)) {
      this.#failed(slot.channel);
      return true;
    }
    if (!slot.retired) return false;
    this.#setSlots(this.slots.filter(each => each !== slot));
    if (!this.#isPresent(slot.channel)) {
      this.#emit('transport.channel.closed', slot.channel);
      this.#reconcile();
    }
    return true;
  }

  /** The channel is closed on one side: what is queued is sent, and then nothing more. */
  retire(name: string): void {
    const connections = this.#byName.get(name);
    if (connections === undefined || connections === this.#fallback) return;
    this.#byName.delete(name);
    this.#first.delete(name);
    this.#latest = undefined;
    for (const slot of connections) slot.retire();
  }

  end(reason: Error | undefined): void {
    this.#retry?.cancel();
    for (const slot of [...this.slots, ...[...this.#joining.values()].flat()]) slot.abandon(reason);
    this.#joining.clear();
  }

  #reconcile(): void {
    if (!this.#session.open) return;
    const first = this.slots[0]?.channel;
    for (const [name, [connection]] of [...this.#byName]) {
      if (connection === undefined || this.isCurrent(connection)) continue;
      if (name === first) {
        // What the session itself speaks on can't be taken from it: the next one is without that channel.
        void this.#session.close();
        return;
      }
      this.retire(name);
    }
    const { settings, target } = this.#init;
    if (target === undefined) {
      for (const [name, [connection]] of [...this.#joining])
        if (connection !== undefined && !this.isCurrent(connection)) this.#failed(name);
      return;
    }
    for (const { name } of settings.channels) {
      const agreed = this.#joining.has(name) ? undefined : this.#openable(name);
      if (agreed === undefined) continue;
      const connections = this.#connections(agreed);
      this.#joining.set(name, connections);
      joinChannel(settings, this.#session, target, connections, error => this.#failed(name, error));
    }
  }

  #failed(name: string, error?: Error): void {
    const connections = this.#joining.get(name);
    if (connections === undefined) return;
    this.#joining.delete(name);
    const reason = error ?? new FoundationError('noconnection', `A connection of the channel '${name}' was lost.`);
    for (const slot of connections) slot.abandon(reason);
    if (this.#init.target === undefined || !this.#session.open) return;
    if (!connections.every(slot => this.isCurrent(slot))) {
      this.#reconcile();
      return;
    }
    this.#init.settings.log.warn(
      { peer: this.#session.identity.name, channel: name },
      `the channel could not be opened, and is tried again: ${reason.message}`,
    );
    this.#retry?.cancel();
    this.#retry = this.#init.settings.clock.setTimeout(() => this.#reconcile(), RETRY, { unref: true });
  }

  /** The side that dials may have another idea of how many connections there are, when one of both has just opened the channel otherwise. */
  #limit(name: string, connections: readonly ChannelConnection[]): void {
    const { clock, limits } = this.#init.settings;
    const onTimeout = (): void => {
      if (this.#joining.get(name) !== connections) return;
      this.#failed(name, new FoundationError('timeout', `The channel '${name}' did not stand in time.`));
    };
    clock.setTimeout(onTimeout, limits.sessionTimeout, { unref: true });
  }

  #agreed(name: string): AgreedChannel | undefined {
    const own = this.#init.settings.channels.find(channel => channel.name === name);
    const offer = this.#offers.find(([offered]) => offered === name);
    return own === undefined || offer === undefined ? undefined : agreeChannel(own, offer, this.#init.inflates);
  }

  #openable(name: string): AgreedChannel | undefined {
    return this.#isPresent(name) || !this.#session.open ? undefined : this.#agreed(name);
  }

  #isPresent(name: string): boolean {
    return this.slots.some(({ channel }) => channel === name);
  }

  #connections(agreed: AgreedChannel): readonly ChannelConnection[] {
    return Array.from(
      { length: agreed.connections },
      (_, index) => new ChannelConnection(this.#session, this.#init.settings, agreed, index, this.#init.fragmentBytes),
    );
  }

  #rise(slot: ChannelConnection): void {
    const { streams } = this.#init.settings;
    slot.rise(slot.acknowledged ? streams.take(this.#session.identity, slot.channel, slot.index) : undefined);
  }

  #setSlots(slots: readonly ChannelConnection[]): void {
    this.slots = slots;
    this.byPriority = slots.toSorted((left, right) => right.priority - left.priority);
  }

  #emit(event: string, channel: string): void {
    this.#init.settings.telemetry.emit(event, { count: 1 }, { peer: this.#session.identity.name, channel });
  }
}

/** Whether both sides would make the same connections. */
function isSame(left: AgreedChannel, right: AgreedChannel): boolean {
  return (
    left.connections === right.connections &&
    left.peerWindow === right.peerWindow &&
    left.acknowledged === right.acknowledged
  );
}
