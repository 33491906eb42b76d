import { type Address, formatAddress, systemClock, systemRandom, Telemetry } from '@foundation-ts/core';
import type { Advertised, DiscoveryContext, DiscoveryStrategy } from '@foundation-ts/discovery';

/** A node as far as discovery sees it, in a cluster `shop`: watches from its construction and keeps all that it is told. */
export class Watching implements AsyncDisposable {
  /** Every value, as texts. */
  readonly values: string[][] = [];
  readonly failures: Error[] = [];
  /** Every log line, with its fields. */
  readonly lines: string[] = [];
  readonly ctx: DiscoveryContext;
  readonly #strategy: DiscoveryStrategy;
  readonly #stopping = new AbortController();
  readonly #ended: Promise<void>;
  #advertisement: AsyncDisposable | undefined;

  constructor(strategy: DiscoveryStrategy, init: { readonly name?: string; readonly address?: Address } = {}) {
    const { name = 'watcher', address } = init;
    const line = (fields: object, message: string): void =>
      void this.lines.push(`${message} ${JSON.stringify(fields)}`);
    this.#strategy = strategy;
    this.ctx = {
      self: { name, clusterId: 'shop', address },
      secret: undefined,
      clock: systemClock,
      random: systemRandom,
      log: { debug: line, info: line, warn: line, error: line },
      telemetry: new Telemetry(name),
      signal: this.#stopping.signal,
      failed: error => void this.failures.push(error),
    };
    this.#ended = this.#read();
  }

  /** The last value, as one text. */
  get last(): string | undefined {
    return this.values.at(-1)?.join(' ');
  }

  async advertise(address: Address, incarnation = 1): Promise<void> {
    const self: Advertised = { name: this.ctx.self.name, clusterId: 'shop', incarnation, address };
    this.#advertisement = await this.#strategy.advertise?.(self, this.ctx);
  }

  async withdraw(): Promise<void> {
    await this.#advertisement?.[Symbol.asyncDispose]();
  }

  async #read(): Promise<void> {
    for await (const value of this.#strategy.watch(this.ctx)) this.values.push(value.map(formatAddress));
  }

  /** @throws what the watch threw */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.withdraw();
    this.#stopping.abort();
    await this.#ended;
  }
}
