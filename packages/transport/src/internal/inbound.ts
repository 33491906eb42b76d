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
  readonly id: number;
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
  /** {@link MAX_INTERLEAVED} at most. */
  readonly #assemblies: Assembly[] = [];
  /** Whose next part is being read to where it belongs. */
  #coming: Assembly | undefined;
  #comingBytes = 0;
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

  /** Whether the sender's credit covers a frame of so many bytes. */
  allows(bytes: number): boolean {
    return bytes <= this.#allowance;
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
    const payload = frame.length - FRAGMENT_HEADER;
    const assembly = this.#assemblyFor(frame, payload);
    assembly.buffer.set(frame.subarray(FRAGMENT_HEADER), assembly.filled);
    return this.#advance(assembly, payload);
  }

  /**
   * Where the payload of the fragment with that header belongs, which is still coming; {@link placed} follows when it is there.
   * @throws FoundationError as of {@link fragment}
   */
  place(head: Uint8Array, payload: number): Uint8Array {
    const assembly = this.#assemblyFor(head, payload);
    this.#coming = assembly;
    this.#comingBytes = payload;
    return assembly.buffer.subarray(assembly.filled, assembly.filled + payload);
  }

  placed(): Assembled | undefined {
    const assembly = this.#coming as Assembly;
    this.#coming = undefined;
    return this.#advance(assembly, this.#comingBytes);
  }

  /** Checks a fragment by its header. */
  #assemblyFor(head: Uint8Array, payload: number): Assembly {
    const flags = head[2] as number;
    const id = readUint32(head, FRAME_HEADER);
    const total = readUint32(head, FRAME_HEADER + 4);
    if (payload <= 0) throw new FoundationError('protocol', 'The peer sent an empty fragment.');
    const assembly =
      (flags & FLAG_FIRST) === 0
        ? this.#assemblies.find(each => each.id === id)
        : this.#begin(id, total, flags >> FLAG_ALGORITHM_SHIFT);
    if (assembly === undefined || assembly.buffer.length !== total) {
      throw new FoundationError('protocol', 'The peer sent a fragment of no message.');
    }
    if (assembly.filled + payload > total)
      throw new FoundationError('protocol', 'The peer sent overlapping fragments.');
    if ((assembly.filled + payload === total) !== ((flags & FLAG_LAST) !== 0)) {
      throw new FoundationError('protocol', 'The peer ended a message where its length does not.');
    }
    return assembly;
  }

  #advance(assembly: Assembly, payload: number): Assembled | undefined {
    assembly.filled += payload;
    const { buffer, algorithm } = assembly;
    if (assembly.filled < buffer.length) return undefined;
    this.#assemblies.splice(this.#assemblies.indexOf(assembly), 1);
    this.#budget.left += buffer.length;
    this.messagesReceived++;
    return { bytes: buffer, algorithm };
  }

  #begin(id: number, total: number, algorithm: number): Assembly {
    if (total > this.#messageBytes) {
      throw new FoundationError(
        'too-large',
        `The peer began a message of ${total} bytes; at most ${this.#messageBytes} are accepted.`,
      );
    }
    if (this.#assemblies.length >= MAX_INTERLEAVED || this.#assemblies.some(each => each.id === id)) {
      throw new FoundationError('protocol', 'The peer began more messages at once than allowed, or one twice.');
    }
    if (total > this.#budget.left) {
      throw new FoundationError('too-large', 'The unfinished messages of the peer exceed the memory for them.');
    }
    this.#budget.left -= total;
    const assembly: Assembly = { id, buffer: Buffer.allocUnsafeSlow(total), algorithm, filled: 0 };
    this.#assemblies.push(assembly);
    return assembly;
  }
}
