import { checkKeys, FoundationError, invalidOption } from '@foundation-ts/core';
import { DEFAULT_MESSAGE_BYTES } from './defaults.js';
import { readUint32 } from './internal/frames.js';
import { Packr, RESERVE_START_SPACE, REUSE_BUFFER_MODE, Unpackr } from './internal/msgpack.js';
import { PlainReader } from './internal/plain-reader.js';
import { PlainWriter } from './internal/plain-writer.js';
import { align8, type Externals, Reviver } from './internal/revive.js';
import { scan } from './internal/scan.js';
import { Preparer, unsendableError } from './internal/sendable.js';
import { mostWeight, WEIGHT_COLLECTION } from './internal/weight.js';

export { formatPath } from './internal/sendable.js';

/**
 * How values of one class cross to another node. Instances of subclasses cross as the class named here.
 *
 * Types 1 to 31 belong to Foundation's packages (1–7 core, 8–23 cluster, 24–31 distributed and others), 32 to 60 to users.
 */
export interface CodecExtension<T = unknown> {
  /** 1 to 60; the same on every node. */
  readonly type: number;
  readonly class: abstract new (...args: never[]) => T;
  /** Plain data that says what `value` is; it may contain values of other extensions. */
  encode(value: T): unknown;
  /** The inverse. What it throws closes the peer that sent the bytes. */
  decode(plain: unknown): T;
}

/** Options of {@link createCodec}. */
export interface CodecInit {
  readonly extensions?: readonly CodecExtension[];
  /** Longest encoded message in bytes, both ways; default 64 MiB. */
  readonly maxBytes?: number;
}

/** Memory that an encoder writes again when nobody holds it. */
export interface EncodedMemory {
  hold(): void;
  /** Once for each `hold`. */
  release(): void;
}

/** An encoded message in pieces, so that large binary values need not be copied twice. Valid until the next encoding. */
export interface EncodedParts {
  /** Holds the MessagePack part, from `start` to `end`. Must not be written. */
  buffer: Uint8Array;
  /** To be held by who uses `buffer` after the next encoding; undefined: `buffer` is never written again. */
  arena?: EncodedMemory | undefined;
  start: number;
  end: number;
  /** Large binary values, which follow that part, each at the next multiple of eight; not copied yet. */
  externals: readonly Uint8Array[] | undefined;
  /** Length of the message as one piece. */
  bytes: number;
}

/**
 * Turns messages into bytes and back, MessagePack underneath. It belongs to a node, because what an extension decodes
 * to (a ref) may be bound to that node.
 *
 * What arrives is structurally equal to what was sent: plain objects, arrays, `Map`, `Set`, `Date`, bigint, `undefined`,
 * typed arrays, `ArrayBuffer`, `DataView`, `Buffer`, −0, NaN, any string, and errors (name, message, code, cause, and the remote stack as text;
 * a {@link FoundationError} comes back as one, other classes as `Error`). References are not kept: a value that occurs
 * twice arrives as two. Holes in arrays arrive as `undefined`, objects without a prototype with the usual one. What hangs on an error (`cause`,
 * `details`) and can't be sent is replaced by a text.
 */
export interface Codec {
  /** Longest message, bytes. */
  readonly maxBytes: number;
  /**
   * @throws FoundationError `not-sendable` naming the path to a function, symbol, cycle or instance of an unregistered class
   * @throws FoundationError `too-large`
   */
  encode(value: unknown): Uint8Array;
  /**
   * Large binary values in the result are views on `bytes`, which must not be written afterwards.
   * @throws FoundationError `protocol` for anything that `encode` does not write, whatever the bytes
   */
  decode(bytes: Uint8Array): unknown;
  /** As {@link encode}, without joining the pieces; {@link joinParts} does that. */
  encodeParts(value: unknown): EncodedParts;
  /**
   * Decodes `count` small messages that stand one after the other; their binary values are copies.
   * @throws FoundationError `protocol`
   */
  decodeBatch(bytes: Uint8Array, start: number, count: number): unknown[];
}

/** First byte of a message with large binary values behind it. */
const WITH_EXTERNALS = 0xc1;
export const EXTERNALS_HEADER = 8;
/** Memory that messages are encoded into, one behind the other, never twice. */
const ARENA_BYTES = 64 * 1024;

/** @throws FoundationError `invalid-option` for two extensions of one type, or a type outside 1–60 */
export function createCodec(init: CodecInit = {}): Codec {
  checkKeys('createCodec', init, ['extensions', 'maxBytes']);
  const { extensions = [], maxBytes = DEFAULT_MESSAGE_BYTES } = init;
  if (!Number.isInteger(maxBytes) || maxBytes < 1 || maxBytes > 0x7fff_ffff) {
    throw invalidOption('maxBytes', maxBytes, 'an integer from 1 to 2147483647');
  }
  const types = new Set<number>();
  for (const { type } of extensions) {
    if (!Number.isInteger(type) || type < 1 || type > 60) throw invalidOption('type', type, 'an integer from 1 to 60');
    if (types.has(type)) throw invalidOption('type', type, 'a type that no other extension of the codec has');
    types.add(type);
  }
  return new MessagePackCodec(extensions, maxBytes);
}

class MessagePackCodec implements Codec {
  readonly maxBytes: number;
  /** What a message may become in memory. */
  readonly #most: number;
  readonly #extensions: readonly CodecExtension[];
  readonly #packr = new Packr({ useRecords: false, useToJSON: false });
  readonly #views = new Unpackr({ useRecords: false, mapsAsObjects: true, structuredClone: false });
  readonly #copies = new Unpackr({ useRecords: false, mapsAsObjects: true, structuredClone: false, copyBuffers: true });
  readonly #plain = new PlainWriter();
  readonly #plainReader = new PlainReader();
  readonly #preparer: Preparer;
  readonly #reviver: Reviver;
  #busy = false;
  /** Where the last message ends in the encoder's memory. */
  #end = -1;
  readonly #parts: EncodedParts = {
    buffer: new Uint8Array(0),
    arena: undefined,
    start: 0,
    end: 0,
    externals: undefined,
    bytes: 0,
  };

  constructor(extensions: readonly CodecExtension[], maxBytes: number) {
    this.#extensions = extensions;
    this.maxBytes = maxBytes;
    this.#most = mostWeight(maxBytes);
    this.#packr.useBuffer(Buffer.allocUnsafeSlow(ARENA_BYTES));
    this.#preparer = new Preparer(extensions, this.#most);
    this.#reviver = new Reviver(extensions);
  }

  encode(value: unknown): Uint8Array {
    const parts = this.encodeParts(value);
    const bytes = new Uint8Array(parts.bytes);
    joinParts(parts, bytes);
    return bytes;
  }

  encodeParts(value: unknown): EncodedParts {
    const parts = this.#parts;
    if (this.#writePlain(value, parts)) return parts;
    const externals = this.#pack(value, parts);
    let bytes = parts.end - parts.start;
    if (externals !== undefined) {
      bytes += EXTERNALS_HEADER;
      for (const external of externals) bytes = align8(bytes) + external.byteLength;
    }
    if (bytes > this.maxBytes) {
      throw new FoundationError(
        'too-large',
        `A message of ${bytes} bytes is over the limit of ${this.maxBytes}. Send it in pieces, or raise the limit on both nodes.`,
        { details: { bytes, limit: this.maxBytes } },
      );
    }
    parts.bytes = bytes;
    parts.externals = externals;
    return parts;
  }

  /** @returns false when the value is to be encoded otherwise, or refused */
  #writePlain(value: unknown, parts: EncodedParts): boolean {
    if (this.#busy) return false;
    const plain = this.#plain;
    this.#busy = true;
    try {
      if (!plain.write(value)) return false;
    } catch {
      // A getter threw, and does again for the one who reports it.
      return false;
    } finally {
      this.#busy = false;
    }
    const { start, end } = plain;
    if (end - start > this.maxBytes) return false;
    parts.buffer = plain.buffer;
    parts.arena = plain.arena;
    parts.start = start;
    parts.end = end;
    parts.externals = undefined;
    parts.bytes = end - start;
    return true;
  }

  #pack(value: unknown, parts: EncodedParts): Uint8Array[] | undefined {
    // An extension that itself encodes gets its own, or it would mix its large values into ours.
    const outer = this.#busy;
    const preparer = outer ? new Preparer(this.#extensions, this.#most) : this.#preparer;
    this.#busy = true;
    try {
      const prepared = preparer.prepare(value);
      const { externals } = preparer;
      const packr = this.#packr;
      const { position } = packr;
      // Right behind the last message, so that a batch of them is one piece of memory; the encoder would leave a gap up to the next multiple of eight.
      const back = position === this.#end ? position & 7 : 0;
      if (back > 0) packr.position = position - back;
      const mode = back > 0 ? REUSE_BUFFER_MODE | RESERVE_START_SPACE | back : REUSE_BUFFER_MODE;
      const target = packr.pack(prepared, mode) as Buffer & { start: number; end: number };
      parts.buffer = target;
      parts.arena = undefined;
      parts.start = target.start + back;
      parts.end = target.end;
      this.#end = target.end;
      // What a long message needed is not what the next ones need.
      if (target.length > ARENA_BYTES) packr.useBuffer(Buffer.allocUnsafeSlow(ARENA_BYTES));
      return externals;
    } catch (error) {
      throw unsendableError(value, this.#extensions, error);
    } finally {
      this.#busy = outer;
    }
  }

  decode(bytes: Uint8Array): unknown {
    if (bytes.length > this.maxBytes) {
      throw new FoundationError(
        'too-large',
        `A message of ${bytes.length} bytes is over the limit of ${this.maxBytes}.`,
      );
    }
    try {
      const source = plainView(bytes);
      if (source[0] === WITH_EXTERNALS) return this.#decodeWithExternals(source);
      const special = scan(source, 0, source.length, 1, this.#most);
      const value: unknown = this.#views.unpack(source);
      return special ? this.#reviver.revive(value, undefined) : value;
    } catch (error) {
      throw protocolError(error);
    }
  }

  #decodeWithExternals(source: Uint8Array): unknown {
    if (source.length < EXTERNALS_HEADER) throw new Error('the bytes end within a value');
    const length = new DataView(source.buffer, source.byteOffset).getUint32(4);
    const end = EXTERNALS_HEADER + length;
    if (end > source.length) throw new Error('the bytes end within a value');
    const head = source.subarray(EXTERNALS_HEADER, end);
    scan(head, 0, length, 1, this.#most);
    const externals: Externals = { bytes: source, position: align8(end) };
    const value = this.#reviver.revive(this.#views.unpack(head), externals);
    if (externals.position < source.length) throw new Error('bytes after the end of the value');
    return value;
  }

  decodeBatch(bytes: Uint8Array, start: number, count: number): unknown[] {
    try {
      const source = plainView(bytes);
      const header = start - 5;
      // The messages become one array: one call of the decoder for all of them.
      if (header < 0 || source[header] !== 0xdd || readUint32(source, header + 1) !== count) {
        throw new Error('a batch without its header');
      }
      // It does not weigh what it reads: at worst each byte is an empty object.
      const light = source.length * WEIGHT_COLLECTION <= this.#most;
      const plain = light ? this.#plainReader.read(source, start, count) : undefined;
      if (plain !== undefined) return plain;
      const special = scan(source, start, source.length, count, this.#most);
      const list = this.#copies.unpack(source.subarray(header)) as unknown[];
      if (special) {
        for (let index = 0; index < list.length; index++) list[index] = this.#reviver.revive(list[index], undefined);
      }
      return list;
    } catch (error) {
      throw protocolError(error);
    }
  }
}

/** Writes an encoded message as one piece at `offset` of `target`, which has room for `parts.bytes`. */
export function joinParts(parts: EncodedParts, target: Uint8Array, offset = 0): void {
  const { buffer, start, end, externals } = parts;
  let position = offset;
  if (externals !== undefined) {
    writeExternalsHeader(target, position, end - start);
    position += EXTERNALS_HEADER;
  }
  target.set(buffer.subarray(start, end), position);
  position += end - start;
  if (externals === undefined) return;
  for (const external of externals) {
    const aligned = offset + align8(position - offset);
    target.fill(0, position, aligned);
    target.set(external, aligned);
    position = aligned + external.byteLength;
  }
}

function writeExternalsHeader(target: Uint8Array, position: number, length: number): void {
  target[position] = WITH_EXTERNALS;
  target[position + 1] = 0;
  target[position + 2] = 0;
  target[position + 3] = 0;
  target[position + 4] = length >>> 24;
  target[position + 5] = length >>> 16;
  target[position + 6] = length >>> 8;
  target[position + 7] = length;
}

/** The decoder gives views of its source's class: not Node's Buffer. */
function plainView(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function protocolError(error: unknown): FoundationError {
  const why = error instanceof Error ? error.message : String(error);
  return new FoundationError('protocol', `The bytes received are no message of ours: ${why}.`, { cause: error });
}
