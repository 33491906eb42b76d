import { FoundationError } from '@foundation-ts/core';
import type { Codec } from '../codec.js';
import { MAX_INTERLEAVED } from '../defaults.js';
import {
  BATCH_HEADER,
  FLAG_ALGORITHM_SHIFT,
  FLAG_FIRST,
  FLAG_LAST,
  FRAGMENT_HEADER,
  FRAME_HEADER,
  readUint32,
} from './frames.js';

/** Memory that all connections of one peer share for messages that have arrived in part. */
export interface ReassemblyBudget {
  left: number;
}

export interface InboundInit {
  readonly codec: Codec;
  readonly window: number;
  readonly messageBytes: number;
  readonly budget: ReassemblyBudget;
}

interface Assembly {
  readonly buffer: Buffer;
  readonly algorithm: number;
  filled: number;
}

/** A message whose fragments are complete. */
export interface Assembled {
  readonly bytes: Uint8Array;
  /** 0: none. */
  readonly algorithm: number;
}

/** What one connection of a channel receives: counts credit, puts fragments together, decodes. */
export class Inbound {
  readonly #codec: Codec;
  readonly #messageBytes: number;
  readonly #budget: ReassemblyBudget;
  readonly #assemblies = new Map<number, Assembly>();
  /** Bytes that the sender may still send. */
  #allowance: number;
  messagesReceived = 0;
  bytesReceived = 0;

  constructor(init: InboundInit) {
    this.#codec = init.codec;
    this.#messageBytes = init.messageBytes;
    this.#budget = init.budget;
    this.#allowance = init.window;
  }

  /** @throws FoundationError `protocol` when the sender exceeds its credit */
  received(bytes: number): void {
    this.bytesReceived += bytes;
    this.#allowance -= bytes;
    if (this.#allowance < 0) throw new FoundationError('protocol', 'The peer sent more than its credit allows.');
  }

  /**
   * Credit to give now, in bytes; 0: not yet worth a frame.
   * @param window - what the sender may have under way
   */
  takeCredit(window: number): number {
    const bytes = window - this.#allowance;
    if (bytes * 4 < window) return 0;
    this.#allowance += bytes;
    return bytes;
  }

  /** The messages of a batch. @throws FoundationError `protocol` */
  batch(frame: Uint8Array): unknown[] {
    const count = readUint32(frame, FRAME_HEADER + 1);
    if (frame.length < BATCH_HEADER || count === 0)
      throw new FoundationError('protocol', 'The peer sent an empty batch.');
    const messages = this.#codec.decodeBatch(frame, BATCH_HEADER, count);
    this.messagesReceived += messages.length;
    return messages;
  }

  /**
   * Takes a fragment.
   * @returns the whole message's bytes with its last fragment
   * @throws FoundationError `protocol`, or `too-large` for a message or for all unfinished messages of the peer together
   */
  fragment(frame: Uint8Array): Assembled | undefined {
    const flags = frame[2] as number;
    const id = readUint32(frame, FRAME_HEADER);
    const total = readUint32(frame, FRAME_HEADER + 4);
    const payload = frame.length - FRAGMENT_HEADER;
    if (payload <= 0) throw new FoundationError('protocol', 'The peer sent an empty fragment.');
    const assembly =
      (flags & FLAG_FIRST) === 0 ? this.#assemblies.get(id) : this.#begin(id, total, flags >> FLAG_ALGORITHM_SHIFT);
    if (assembly === undefined || assembly.buffer.length !== total) {
      throw new FoundationError('protocol', 'The peer sent a fragment of no message.');
    }
    if (assembly.filled + payload > total)
      throw new FoundationError('protocol', 'The peer sent overlapping fragments.');
    assembly.buffer.set(frame.subarray(FRAGMENT_HEADER), assembly.filled);
    assembly.filled += payload;
    const complete = assembly.filled === total;
    if (complete !== ((flags & FLAG_LAST) !== 0)) {
      throw new FoundationError('protocol', 'The peer ended a message where its length does not.');
    }
    if (!complete) return undefined;
    this.#assemblies.delete(id);
    this.#budget.left += total;
    this.messagesReceived++;
    return { bytes: assembly.buffer, algorithm: assembly.algorithm };
  }

  #begin(id: number, total: number, algorithm: number): Assembly {
    if (total > this.#messageBytes) {
      throw new FoundationError(
        'too-large',
        `The peer began a message of ${total} bytes; at most ${this.#messageBytes} are accepted.`,
      );
    }
    if (this.#assemblies.has(id) || this.#assemblies.size >= MAX_INTERLEAVED) {
      throw new FoundationError('protocol', 'The peer began more messages at once than allowed, or one twice.');
    }
    if (total > this.#budget.left) {
      throw new FoundationError('too-large', 'The unfinished messages of the peer exceed the memory for them.');
    }
    this.#budget.left -= total;
    const assembly: Assembly = { buffer: Buffer.allocUnsafeSlow(total), algorithm, filled: 0 };
    this.#assemblies.set(id, assembly);
    return assembly;
  }
}
