import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ConnectHook, ListHook } from '@foundation-ts/cluster';
import { type Address, formatAddress, parseAddress, type TelemetryEvent } from '@foundation-ts/core';
import type { DiscoveryContext, DiscoveryStrategy } from '@foundation-ts/discovery';
import { hostPort } from './erlang-name.js';
import type { LibclusterTopology } from './libcluster-config.js';
import type { TranslatedTopology } from './translate.js';

/** libcluster's reasons for a connection that did not come about. */
type Reason = 'unreachable' | 'not_part_of_network';

/**
 * Lets a topology of ours look like one of libcluster's: calls its `connect`, `disconnect` and `list_nodes`, and emits its telemetry events
 * (`libcluster.connect_node.ok`, `.error`, `libcluster.disconnect_node.ok`, `.error`) for as long as its strategy is watched.
 */
export class Mirror {
  readonly #topology: string;
  readonly #from: LibclusterTopology;
  readonly #basename: string | undefined;
  readonly #names: ReadonlyMap<string, string>;
  /** When dials began, by address. */
  readonly #began = new Map<string, number>();
  /** Why an address was not dialled, if `connect` said so. */
  readonly #vetoes = new Map<string, Reason>();
  /** Whom the strategy named last, also before it was started again. */
  #last: readonly Address[] = [];
  #ctx: DiscoveryContext | undefined = undefined;

  constructor({ name, from, basename, names }: TranslatedTopology) {
    this.#topology = name;
    this.#from = from;
    this.#basename = basename;
    this.#names = names;
  }

  /** The strategy, observed. */
  strategy(inner: DiscoveryStrategy): DiscoveryStrategy {
    const watch = (ctx: DiscoveryContext): AsyncIterable<readonly Address[]> => this.#watch(inner, ctx);
    const { name, advertise } = inner;
    return advertise === undefined
      ? { name, watch }
      : { name, watch, advertise: (self, ctx) => advertise.call(inner, self, ctx) };
  }

  readonly connect: ConnectHook = async address => {
    const text = formatAddress(address);
    this.#vetoes.delete(text);
    const { connect } = this.#from;
    if (typeof connect === 'function') {
      const answer = await connect(this.#nameOf(address));
      if (answer !== true) {
        this.#vetoes.set(text, answer === 'ignored' ? 'not_part_of_network' : 'unreachable');
        return false;
      }
    }
    if (this.#ctx !== undefined) this.#began.set(text, this.#ctx.clock.now());
    return true;
  };

  readonly list: ListHook = addresses => {
    const listNodes = this.#from.list_nodes;
    if (typeof listNodes !== 'function') return addresses;
    const connected = new Set(listNodes());
    return addresses.filter(address => !connected.has(this.#nameOf(address)));
  };

  async *#watch(inner: DiscoveryStrategy, ctx: DiscoveryContext): AsyncIterable<readonly Address[]> {
    this.#ctx = ctx;
    const listen = (event: string, told: (event: TelemetryEvent) => void): (() => void) => {
      const channel = `foundation:${event}`;
      const listener = (message: unknown): void => {
        const seen = message as TelemetryEvent;
        if (seen.node === ctx.self.name && seen.metadata.topology === this.#topology) told(seen);
      };
      subscribe(channel, listener);
      return () => void unsubscribe(channel, listener);
    };
    const stops = [
      listen('discovery.connected', event => this.#connected(ctx, event)),
      listen('discovery.refused', event => this.#refused(ctx, event)),
    ];
    try {
      for await (const addresses of inner.watch(ctx)) {
        const now = new Set(addresses.map(formatAddress));
        const gone = this.#last.filter(address => !now.has(formatAddress(address)));
        this.#last = addresses;
        for (const address of gone) {
          this.#began.delete(formatAddress(address));
          this.#vetoes.delete(formatAddress(address));
          void this.#disconnect(ctx, address);
        }
        yield addresses;
      }
    } finally {
      for (const stop of stops) stop();
    }
  }

  #connected(ctx: DiscoveryContext, { metadata }: TelemetryEvent): void {
    const text = String(metadata.address);
    const began = this.#began.get(text);
    this.#began.delete(text);
    const duration = began === undefined ? 0 : ctx.clock.now() - began;
    const connected = { node: metadata.member, topology: this.#topology };
    ctx.telemetry.emit('libcluster.connect_node.ok', { duration }, connected);
  }

  #refused(ctx: DiscoveryContext, { metadata }: TelemetryEvent): void {
    const text = String(metadata.address);
    const foreign = metadata.code === 'wrong-cluster' || metadata.code === 'auth-failed';
    const reason = this.#vetoes.get(text) ?? (foreign ? 'not_part_of_network' : 'unreachable');
    const node = this.#nameOf(parseAddress(text));
    ctx.telemetry.emit('libcluster.connect_node.error', {}, { node, topology: this.#topology, reason });
  }

  /** Foundation disconnects nobody because a strategy stopped naming him; a `disconnect` of the user's may. */
  async #disconnect(ctx: DiscoveryContext, address: Address): Promise<void> {
    const { disconnect, list_nodes: listNodes } = this.#from;
    const { self } = ctx;
    if (typeof disconnect !== 'function') return;
    if (self.address !== undefined && formatAddress(self.address) === formatAddress(address)) return;
    const node = this.#nameOf(address);
    const began = ctx.clock.now();
    const metadata = { node, topology: this.#topology };
    try {
      if (typeof listNodes === 'function' && !listNodes().includes(node)) return;
      const answer = await disconnect(node);
      if (answer === true) {
        ctx.telemetry.emit('libcluster.disconnect_node.ok', { duration: ctx.clock.now() - began }, metadata);
        return;
      }
      const reason = answer === false ? 'already_disconnected' : answer === 'ignored' ? 'not_part_of_network' : answer;
      ctx.telemetry.emit('libcluster.disconnect_node.error', {}, { ...metadata, reason });
    } catch (error) {
      ctx.telemetry.emit('libcluster.disconnect_node.error', {}, { ...metadata, reason: String(error) });
      ctx.log.error({ ...metadata, error }, "libcluster compatibility: the topology's disconnect function failed");
    }
  }

  /** As Erlang would call it, as far as that is known. */
  #nameOf({ host, port }: Address): string {
    const text = hostPort(host, port);
    return this.#names.get(text) ?? (this.#basename === undefined ? text : `${this.#basename}@${host}`);
  }
}
