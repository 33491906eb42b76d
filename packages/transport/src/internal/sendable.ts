import { FoundationError } from '@foundation-ts/core';
import type { CodecExtension } from '../codec.js';
import { EXTERNAL_BYTES, MAX_DEPTH } from '../defaults.js';
import { C1 } from './msgpack.js';
import {
  SHAPED_ENTRIES,
  WEIGHT_BINARY,
  WEIGHT_COLLECTION,
  WEIGHT_ENTRY,
  WEIGHT_ERROR,
  WEIGHT_ITEM,
  WEIGHT_SPECIAL,
} from './weight.js';
import {
  binaryKind,
  bytesOf,
  KIND_UINT8_ARRAY,
  SPECIAL_BIGINT,
  SPECIAL_BINARY,
  SPECIAL_DATE,
  SPECIAL_ERROR,
  SPECIAL_EXTERNAL,
  SPECIAL_MAP,
  SPECIAL_NEGATIVE_ZERO,
  SPECIAL_OBJECT,
  SPECIAL_SET,
  SPECIAL_STRING,
} from './wire-types.js';

/** Thrown inside {@link Preparer}, then replaced by an error that names the path. */
class Unsendable extends Error {
  readonly why: string;

  constructor(why: string) {
    super(why);
    this.why = why;
  }
}

/** A special value is an array, mostly with another in it. */
const WEIGHT_WRAPPED = WEIGHT_SPECIAL + 2 * WEIGHT_COLLECTION;
const MAX_CAUSES = 16;
const MAX_STACK_CHARACTERS = 8_192;
const objectPrototype = Object.prototype;
const arrayPrototype = Array.prototype;
const { getPrototypeOf } = Object;

// Node 20 has it, TypeScript's es2023 library does not.
const isWellFormed = (text: string): boolean => (text as unknown as { isWellFormed(): boolean }).isWellFormed();
const BYTE_ORDER_MARK = 0xfeff;
/** Whether a text is the same again once it was UTF-8. */
export const plainText = (text: string): boolean => text.charCodeAt(0) !== BYTE_ORDER_MARK && isWellFormed(text);

/**
 * Turns a value into what MessagePack can say: the same reference when nothing in it is special, else a copy with
 * the special parts replaced. Finds what cannot be sent.
 */
export class Preparer {
  readonly #extensions: ReadonlyMap<object, CodecExtension>;
  readonly #most: number;
  /** Large binary values, in the order in which the prepared value refers to them. */
  externals: Uint8Array[] | undefined;
  #weight = 0;
  #causes = 0;

  /** @param most - what a message may become in memory, see {@link ./weight.js} */
  constructor(extensions: readonly CodecExtension[], most: number) {
    this.#extensions = new Map(extensions.map(extension => [extension.class.prototype as object, extension]));
    this.#most = most;
  }

  /** @throws Unsendable, or RangeError when the stack ends; {@link unsendableError} makes the error for the user */
  prepare(value: unknown): unknown {
    this.externals = undefined;
    this.#weight = 0;
    this.#causes = 0;
    return this.#any(value, 0);
  }

  #any(value: unknown, depth: number): unknown {
    switch (typeof value) {
      case 'string':
        return plainText(value) ? value : this.#wrapped([C1, SPECIAL_STRING, utf16(value)], WEIGHT_BINARY);
      case 'number':
        return value === 0 && 1 / value < 0 ? this.#wrapped([C1, SPECIAL_NEGATIVE_ZERO], 0) : value;
      case 'boolean':
      case 'undefined':
        return value;
      case 'object':
        return value === null ? null : this.#object(value, depth);
      case 'bigint':
        return fits64(value) ? value : this.#wrapped([C1, SPECIAL_BIGINT, hexadecimal(value)], 0);
      default:
        throw new Unsendable(`a ${typeof value}`);
    }
  }

  #object(value: object, depth: number): unknown {
    if (depth > MAX_DEPTH) throw new Unsendable(`nested deeper than ${MAX_DEPTH} levels`);
    this.#weigh(WEIGHT_COLLECTION);
    const prototype: object | null = getPrototypeOf(value);
    if (prototype === arrayPrototype) return this.#array(value as unknown[], depth);
    if (prototype === objectPrototype || prototype === null)
      return this.#record(value as Record<string, unknown>, depth);
    return this.#special(value, prototype, depth);
  }

  #weigh(more: number): void {
    this.#weight += more;
    if (this.#weight > this.#most) throw new Unsendable('more values than a message may have');
  }

  #wrapped(special: unknown[], content: number): unknown[] {
    this.#weigh(WEIGHT_WRAPPED + content);
    return special;
  }

  #array(items: readonly unknown[], depth: number): unknown {
    let copy: unknown[] | undefined;
    const { length } = items;
    for (let index = 0; index < length; index++) {
      const item = items[index];
      const prepared = this.#any(item, depth + 1);
      if (copy !== undefined) copy.push(prepared);
      else if (prepared !== item) {
        copy = items.slice(0, index);
        copy.push(prepared);
      }
    }
    return copy ?? items;
  }

  #record(record: Record<string, unknown>, depth: number): unknown {
    let copy: Record<string, unknown> | undefined;
    let flat: unknown[] | undefined;
    let entries = 0;
    for (const key in record) {
      entries++;
      const item = record[key];
      const prepared = this.#any(item, depth + 1);
      if (flat !== undefined) {
        flat.push(plainText(key) ? key : this.#any(key, depth + 1), prepared);
      } else if (!plainText(key)) {
        flat = flatten(copy ?? entriesBefore(record, key));
        flat.push(this.#any(key, depth + 1), prepared);
      } else if (key === '__proto__') {
        throw new Unsendable("a key '__proto__'");
      } else if (copy !== undefined) {
        copy[key] = prepared;
      } else if (prepared !== item) {
        copy = entriesBefore(record, key);
        copy[key] = prepared;
      }
    }
    if (entries > SHAPED_ENTRIES) this.#weigh(entries * WEIGHT_ENTRY);
    if (flat !== undefined) return this.#wrapped([C1, SPECIAL_OBJECT, flat], 0);
    return copy ?? record;
  }

  #special(value: object, prototype: object, depth: number): unknown {
    this.#weigh(WEIGHT_WRAPPED);
    const kind = binaryKind(prototype);
    if (kind !== undefined) return this.#binary(value as ArrayBufferView, kind);
    if (prototype === Map.prototype) {
      const flat: unknown[] = [];
      this.#weigh(2 * WEIGHT_ITEM * (value as Map<unknown, unknown>).size);
      for (const [key, item] of value as Map<unknown, unknown>) {
        flat.push(this.#any(key, depth + 1), this.#any(item, depth + 1));
      }
      return [C1, SPECIAL_MAP, flat];
    }
    if (prototype === Set.prototype) {
      const items: unknown[] = [];
      this.#weigh(WEIGHT_ITEM * (value as Set<unknown>).size);
      for (const item of value as Set<unknown>) items.push(this.#any(item, depth + 1));
      return [C1, SPECIAL_SET, items];
    }
    if (prototype === Date.prototype) return [C1, SPECIAL_DATE, (value as Date).getTime()];
    const extension = this.#extensionFor(prototype);
    if (extension !== undefined) return [C1, extension.type, this.#any(extension.encode(value), depth + 1)];
    if (value instanceof Error) return this.#error(value, depth);
    throw new Unsendable(describeInstance(value));
  }

  #extensionFor(prototype: object): CodecExtension | undefined {
    if (this.#extensions.size === 0) return undefined;
    for (let level: object | null = prototype; level !== null; level = getPrototypeOf(level)) {
      const extension = this.#extensions.get(level);
      if (extension !== undefined) return extension;
    }
    return undefined;
  }

  #binary(value: ArrayBuffer | ArrayBufferView, kind: number): unknown {
    this.#weigh(WEIGHT_BINARY);
    const bytes = kind === KIND_UINT8_ARRAY ? (value as Uint8Array) : bytesOf(value);
    if (bytes.byteLength >= EXTERNAL_BYTES) {
      this.externals ??= [];
      this.externals.push(bytes);
      return [C1, SPECIAL_EXTERNAL, kind, bytes.byteLength];
    }
    return kind === KIND_UINT8_ARRAY ? bytes : [C1, SPECIAL_BINARY, kind, bytes];
  }

  #error(error: Error, depth: number): unknown {
    this.#weigh(WEIGHT_ERROR);
    const known = error instanceof FoundationError;
    const { code } = error as { code?: unknown };
    return [
      C1,
      SPECIAL_ERROR,
      [
        this.#any(String(error.name), depth + 1),
        this.#any(String(error.message), depth + 1),
        typeof error.stack === 'string' ? this.#any(error.stack.slice(0, MAX_STACK_CHARACTERS), depth + 1) : undefined,
        typeof code === 'string' || typeof code === 'number' ? this.#any(code, depth + 1) : undefined,
        this.#reduced(error.cause, depth),
        known ? error.retryable : undefined,
        known ? this.#reduced(error.details, depth) : undefined,
        error instanceof AggregateError ? this.#reduced(error.errors, depth) : undefined,
      ],
    ];
  }

  /** An error must not become unsendable by what hangs on it: what cannot cross is reduced to a text. */
  #reduced(value: unknown, depth: number): unknown {
    if (value === undefined || this.#causes >= MAX_CAUSES) return undefined;
    this.#causes++;
    const externals = this.externals?.length ?? 0;
    try {
      return this.#any(value, depth + 1);
    } catch (error) {
      if (!(error instanceof Unsendable)) throw error;
      if (this.externals !== undefined) this.externals.length = externals;
      return `(not sendable: ${error.why})`;
    } finally {
      this.#causes--;
    }
  }
}

function entriesBefore(record: Record<string, unknown>, end: string): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const key in record) {
    if (key === end) break;
    copy[key] = record[key];
  }
  return copy;
}

function flatten(record: Record<string, unknown>): unknown[] {
  const flat: unknown[] = [];
  for (const key in record) flat.push(key, record[key]);
  return flat;
}

function fits64(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value || BigInt.asUintN(64, value) === value;
}

function hexadecimal(value: bigint): string {
  return value.toString(16);
}

function utf16(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 2);
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    bytes[index * 2] = unit & 0xff;
    bytes[index * 2 + 1] = unit >> 8;
  }
  return bytes;
}

function describeInstance(value: object): string {
  const name: unknown = (value as { constructor?: { name?: unknown } }).constructor?.name;
  return `an instance of ${typeof name === 'string' && name !== '' ? name : 'a class'}, which has no encoding`;
}

/** `payload.items[3].fn` for `['items', 3, 'fn']`. */
export function formatPath(keys: readonly (string | number)[], root = 'payload'): string {
  let text = root;
  for (const key of keys) {
    if (typeof key === 'number') text += `[${key}]`;
    else text += /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
  }
  return text;
}

/** The error for a value that {@link Preparer} refused: walks it again to find the path. */
export function unsendableError(
  value: unknown,
  extensions: readonly CodecExtension[],
  cause: unknown,
): FoundationError {
  const found = tryFind(value, extensions);
  const why = found?.why ?? (cause instanceof Unsendable ? cause.why : 'the encoder refused it');
  const keys = found?.keys ?? [];
  return new FoundationError(
    'not-sendable',
    `Can't send ${formatPath(keys)}: it is ${why}. Send plain data (objects, arrays, Map, Set, Date, bigint, binary, errors), or register a codec extension for the class.`,
    { details: { path: keys.slice(), why }, ...(cause instanceof Unsendable ? {} : { cause }) },
  );
}

interface Found {
  readonly keys: (string | number)[];
  readonly why: string;
}

function tryFind(value: unknown, extensions: readonly CodecExtension[]): Found | undefined {
  try {
    return find(value, extensions);
  } catch {
    // A getter or an extension threw, which is what the caller reports as the cause.
    return undefined;
  }
}

/** Iterative, so that no depth of nesting ends the stack. */
function find(root: unknown, extensions: readonly CodecExtension[]): Found | undefined {
  interface Level {
    readonly value: object;
    readonly entries: Iterator<readonly [string | number, unknown]>;
  }
  const keys: (string | number)[] = [];
  const levels: Level[] = [];
  const open = new Set<object>();
  let budget = 1_000_000;

  const enter = (value: unknown): string | undefined => {
    if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`;
    if (typeof value !== 'object' || value === null) return undefined;
    if (open.has(value)) return 'part of a cycle';
    if (levels.length > MAX_DEPTH) return `nested deeper than ${MAX_DEPTH} levels`;
    const entries = entriesOf(value, extensions);
    if (typeof entries === 'string') return entries;
    open.add(value);
    levels.push({ value, entries });
    return undefined;
  };

  const first = enter(root);
  if (first !== undefined) return { keys, why: first };
  while (levels.length > 0 && budget-- > 0) {
    const level = levels[levels.length - 1] as Level;
    const next = level.entries.next();
    if (next.done === true) {
      levels.pop();
      open.delete(level.value);
      keys.pop();
      continue;
    }
    const [key, item] = next.value;
    keys.push(key);
    if (key === '__proto__' && !(level.value instanceof Map)) {
      return { keys, why: "a key '__proto__'" };
    }
    const depth = levels.length;
    const why = enter(item);
    if (why !== undefined) return { keys, why };
    if (levels.length === depth) keys.pop();
  }
  return undefined;
}

function* pairs(source: Iterable<readonly [string | number, unknown]>): Generator<readonly [string | number, unknown]> {
  yield* source;
}

function entriesOf(
  value: object,
  extensions: readonly CodecExtension[],
): Iterator<readonly [string | number, unknown]> | string {
  const prototype: object | null = getPrototypeOf(value);
  if (prototype === arrayPrototype) return (value as unknown[]).entries();
  if (prototype === objectPrototype || prototype === null) return pairs(Object.entries(value));
  if (binaryKind(prototype) !== undefined || prototype === Date.prototype) return pairs([]);
  if (prototype === Map.prototype) return pairs(mapEntries(value as Map<unknown, unknown>));
  if (prototype === Set.prototype) return [...(value as Set<unknown>)].entries();
  const extension = extensions.find(candidate => value instanceof candidate.class);
  if (extension !== undefined) return pairs([['(encoded)', extension.encode(value)]]);
  if (value instanceof Error) return pairs([]);
  return describeInstance(value);
}

function* mapEntries(map: Map<unknown, unknown>): Generator<readonly [string | number, unknown]> {
  let index = 0;
  for (const [key, item] of map) {
    const name = typeof key === 'string' || typeof key === 'number' ? key : `(entry ${index})`;
    yield [name, key];
    yield [name, item];
    index++;
  }
}
