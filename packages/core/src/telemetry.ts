import { channel } from 'node:diagnostics_channel';

/** What a telemetry subscriber receives. */
export interface TelemetryEvent {
  /** The event's name, without the `foundation:` prefix of its diagnostics channel. */
  readonly event: string;
  /** Which node it happened on. */
  readonly node: string;
  readonly measurements: Readonly<Record<string, number>>;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** Emits named events through Node's `diagnostics_channel`; costs next to nothing without subscribers. */
export class Telemetry {
  readonly #node: string;

  constructor(node: string) {
    this.#node = node;
  }

  /** Publishes on the diagnostics channel `foundation:<event>`. */
  emit(
    event: string,
    measurements: Readonly<Record<string, number>>,
    metadata: Readonly<Record<string, unknown>> = {},
  ): void {
    const target = channel(`foundation:${event}`);
    if (!target.hasSubscribers) return;
    target.publish({ event, node: this.#node, measurements, metadata } satisfies TelemetryEvent);
  }
}
