import { type ErrorCode, FoundationError } from '@foundation-ts/core';
import type { CodecExtension } from '../codec.js';
import { C1 } from './msgpack.js';
import {
  binaryFrom,
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

const builtInErrors: ReadonlyMap<string, ErrorConstructor> = new Map<string, ErrorConstructor>([
  ['Error', Error],
  ['EvalError', EvalError],
  ['RangeError', RangeError],
  ['ReferenceError', ReferenceError],
  ['SyntaxError', SyntaxError],
  ['TypeError', TypeError],
  ['URIError', URIError],
]);

/** Where large binary values stand behind the value that refers to them. */
export interface Externals {
  readonly bytes: Uint8Array;
  position: number;
}

/** Replaces, in place, the special arrays of a freshly decoded value by what they stand for. */
export class Reviver {
  readonly #extensions: ReadonlyMap<number, CodecExtension>;

  constructor(extensions: readonly CodecExtension[]) {
    this.#extensions = new Map(extensions.map(extension => [extension.type, extension]));
  }

  /** @throws Error saying what is wrong */
  revive(value: unknown, externals: Externals | undefined): unknown {
    if (typeof value !== 'object' || value === null) return value;
    if (value === C1) throw new Error('a special value outside its array');
    if (Array.isArray(value)) {
      if (value[0] === C1) return this.#special(value, externals);
      for (let index = 0; index < value.length; index++) {
        const item: unknown = value[index];
        if (typeof item === 'object' && item !== null) value[index] = this.revive(item, externals);
      }
      return value;
    }
    if (value instanceof Uint8Array) return value;
    const record = value as Record<string, unknown>;
    for (const key in record) {
      const item = record[key];
      if (typeof item === 'object' && item !== null) record[key] = this.revive(item, externals);
    }
    return record;
  }

  #special(wire: unknown[], externals: Externals | undefined): unknown {
    const type = wire[1];
    switch (type) {
      case SPECIAL_NEGATIVE_ZERO:
        return -0;
      case SPECIAL_BIGINT:
        return bigintFrom(wire[2]);
      case SPECIAL_STRING:
        return stringFrom(wire[2]);
      case SPECIAL_OBJECT: {
        const flat = this.#items(wire[2], externals, 2);
        const record: Record<string, unknown> = {};
        for (let index = 0; index < flat.length; index += 2) {
          const key = flat[index];
          if (typeof key !== 'string' || key === '__proto__') throw new Error('a key that is not allowed');
          record[key] = flat[index + 1];
        }
        return record;
      }
      case SPECIAL_MAP: {
        const flat = this.#items(wire[2], externals, 2);
        const map = new Map<unknown, unknown>();
        for (let index = 0; index < flat.length; index += 2) map.set(flat[index], flat[index + 1]);
        return map;
      }
      case SPECIAL_SET:
        return new Set(this.#items(wire[2], externals, 1));
      case SPECIAL_DATE:
        if (typeof wire[2] !== 'number') throw new Error('a date that is not a number');
        return new Date(wire[2]);
      case SPECIAL_BINARY:
        if (!(wire[3] instanceof Uint8Array)) throw new Error('a binary value without bytes');
        return binaryFrom(wire[2], wire[3]);
      case SPECIAL_EXTERNAL:
        return binaryFrom(wire[2], take(externals, wire[3]));
      case SPECIAL_ERROR:
        return errorFrom(this.#items(wire[2], externals, 1));
      default: {
        const extension = typeof type === 'number' ? this.#extensions.get(type) : undefined;
        if (extension === undefined) throw new Error(`an unknown extension ${String(type)}`);
        return extension.decode(this.revive(wire[2], externals));
      }
    }
  }

  #items(value: unknown, externals: Externals | undefined, multiple: number): unknown[] {
    if (!Array.isArray(value) || value.length % multiple !== 0) throw new Error('a special value of a wrong shape');
    // Not through `revive`: a list that starts with a special value's marker is not itself special here.
    for (let index = 0; index < value.length; index++) {
      const item: unknown = value[index];
      if (typeof item === 'object' && item !== null) value[index] = this.revive(item, externals);
    }
    return value;
  }
}

function take(externals: Externals | undefined, length: unknown): Uint8Array {
  if (externals === undefined || typeof length !== 'number' || !Number.isInteger(length) || length < 0) {
    throw new Error('a binary value without bytes');
  }
  const start = externals.position;
  const end = start + length;
  if (end > externals.bytes.length) throw new Error('a binary value longer than its bytes');
  externals.position = align8(end);
  return new Uint8Array(externals.bytes.buffer, externals.bytes.byteOffset + start, length);
}

/** The next multiple of eight: large binary values start there, so that every typed array can be a view. */
export function align8(position: number): number {
  return (position + 7) & ~7;
}

function bigintFrom(text: unknown): bigint {
  if (typeof text !== 'string' || !/^-?[0-9a-f]+$/.test(text)) throw new Error('a bigint that is not hexadecimal');
  return text.startsWith('-') ? -BigInt(`0x${text.slice(1)}`) : BigInt(`0x${text}`);
}

function stringFrom(bytes: unknown): string {
  if (!(bytes instanceof Uint8Array) || bytes.length % 2 !== 0) throw new Error('a string that is not UTF-16');
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf16le');
}

function errorFrom(fields: readonly unknown[]): Error {
  const [name, message, stack, code, cause, retryable, details, errors] = fields;
  if (typeof name !== 'string' || typeof message !== 'string') throw new Error('an error without a name or message');
  const error = build(name, message, code, cause, retryable, details, errors);
  if (typeof stack === 'string') {
    Object.defineProperty(error, 'stack', { value: stack, writable: true, configurable: true, enumerable: false });
  }
  return error;
}

function build(
  name: string,
  message: string,
  code: unknown,
  cause: unknown,
  retryable: unknown,
  details: unknown,
  errors: unknown,
): Error {
  if (typeof retryable === 'boolean' && typeof code === 'string') {
    const init = { retryable, ...(cause === undefined ? {} : { cause }) };
    // A code of a newer version is kept as it is: it is a text, and nothing dispatches on it but `===`.
    return typeof details === 'object' && details !== null
      ? new FoundationError(code as ErrorCode, message, { ...init, details: details as Record<string, unknown> })
      : new FoundationError(code as ErrorCode, message, init);
  }
  const options = cause === undefined ? undefined : { cause };
  let error: Error;
  if (name === 'AggregateError' && Array.isArray(errors)) {
    error = new AggregateError(errors, message, options);
  } else {
    error = new (builtInErrors.get(name) ?? Error)(message, options);
    if (error.name !== name) Object.defineProperty(error, 'name', hidden(name));
  }
  if (code !== undefined) Object.assign(error, { code });
  return error;
}

function hidden(value: unknown): PropertyDescriptor {
  return { value, writable: true, configurable: true, enumerable: false };
}
