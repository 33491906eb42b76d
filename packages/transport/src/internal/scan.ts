import { isUtf8 } from 'node:buffer';
import { MAX_DEPTH } from '../defaults.js';
import {
  SHAPED_ENTRIES,
  WEIGHT_BINARY,
  WEIGHT_COLLECTION,
  WEIGHT_ENTRY,
  WEIGHT_ERROR,
  WEIGHT_ITEM,
  WEIGHT_SPECIAL,
} from './weight.js';
import { SPECIAL_ERROR, SPECIAL_MAP, SPECIAL_SET } from './wire-types.js';

/** A special value takes two levels on the wire. */
const MAX_WIRE_DEPTH = 2 * MAX_DEPTH + 16;
const PROTO = Buffer.from('__proto__');
/** A small negative number is one byte. */
const ERROR_BYTE = SPECIAL_ERROR & 0xff;
const MAP_BYTE = SPECIAL_MAP & 0xff;
const SET_BYTE = SPECIAL_SET & 0xff;

const left = new Int32Array(MAX_WIRE_DEPTH + 1);
const inMap = new Uint8Array(MAX_WIRE_DEPTH + 1);

/**
 * Checks that `bytes` from `start` to `end` are exactly `count` MessagePack values of the kinds that our encoder
 * writes, before any decoder sees them: every length is backed by bytes, nesting is bounded, no extension but
 * `undefined`, no records, no `__proto__`, valid UTF-8.
 * @param most - what they may become in memory, see {@link ./weight.js}
 * @returns whether a special value ({@link ./wire-types.js}) occurs
 * @throws Error saying what is wrong
 */
export function scan(bytes: Uint8Array, start: number, end: number, count: number, most: number): boolean {
  let weight = 0;
  let special = false;
  let depth = 0;
  let position = start;
  left[0] = count;
  inMap[0] = 0;

  for (;;) {
    while (left[depth] === 0) {
      if (depth === 0) {
        if (position !== end) throw new Error('bytes after the end of the value');
        return special;
      }
      depth--;
    }
    if (position >= end) throw new Error('the bytes end within a value');
    const remaining = left[depth] as number;
    const isKey = inMap[depth] === 1 && (remaining & 1) === 0;
    left[depth] = remaining - 1;
    const token = bytes[position++] as number;

    let length: number;
    if (token < 0x80 || token >= 0xe0) {
      if (isKey) throw new Error('a key that is not a string');
      continue;
    }
    if (token >= 0xa0 && token < 0xc0) {
      length = token - 0xa0;
    } else if (token >= 0xd9 && token <= 0xdb) {
      const width = token === 0xd9 ? 1 : token === 0xda ? 2 : 4;
      length = readLength(bytes, position, end, width);
      position += width;
    } else {
      if (isKey) throw new Error('a key that is not a string');
      length = -1;
    }

    if (length >= 0) {
      if (length > end - position) throw new Error('a string longer than its bytes');
      if (!validText(bytes, position, length)) throw new Error('a string that is not UTF-8');
      if (isKey && length === 9 && isProto(bytes, position)) throw new Error("a key '__proto__'");
      position += length;
      continue;
    }

    let items = -1;
    let map = 0;
    switch (token) {
      case 0xc1:
        special = true;
        weight += weightOf(bytes, position, end);
        continue;
      case 0xc0:
      case 0xc2:
      case 0xc3:
        continue;
      case 0xcc:
      case 0xd0:
        position += 1;
        break;
      case 0xcd:
      case 0xd1:
        position += 2;
        break;
      case 0xca:
      case 0xce:
      case 0xd2:
        position += 4;
        break;
      case 0xcb:
      case 0xcf:
      case 0xd3:
        position += 8;
        break;
      case 0xd4:
        if (bytes[position] !== 0 || bytes[position + 1] !== 0) throw new Error('an extension type that is not ours');
        position += 2;
        break;
      case 0xc4:
      case 0xc5:
      case 0xc6: {
        const width = 1 << (token - 0xc4);
        const size = readLength(bytes, position, end, width);
        position += width + size;
        weight += WEIGHT_BINARY;
        break;
      }
      case 0xdc:
        items = readLength(bytes, position, end, 2);
        position += 2;
        break;
      case 0xdd:
        items = readLength(bytes, position, end, 4);
        position += 4;
        break;
      case 0xde:
        items = readLength(bytes, position, end, 2) * 2;
        position += 2;
        map = 1;
        break;
      case 0xdf:
        items = readLength(bytes, position, end, 4) * 2;
        position += 4;
        map = 1;
        break;
      default:
        if (token < 0x90) {
          items = (token - 0x80) * 2;
          map = 1;
        } else if (token < 0xa0) {
          items = token - 0x90;
        } else {
          throw new Error('an extension type that is not ours');
        }
    }
    if (position > end) throw new Error('the bytes end within a value');
    if (items >= 0) {
      if (items > end - position) throw new Error('a collection longer than its bytes');
      weight += WEIGHT_COLLECTION;
      if (map === 1 && items > 2 * SHAPED_ENTRIES) weight += (items / 2) * WEIGHT_ENTRY;
      if (++depth > MAX_WIRE_DEPTH) throw new Error('nested too deep');
      left[depth] = items;
      inMap[depth] = map;
    }
    if (weight > most) throw new Error('more values than a message may have');
  }
}

/** What a special value weighs, whose type stands at `position`; short maps and sets weigh nothing by their items. */
function weightOf(bytes: Uint8Array, position: number, end: number): number {
  const type = bytes[position];
  if (type === ERROR_BYTE) return WEIGHT_ERROR;
  if ((type !== MAP_BYTE && type !== SET_BYTE) || bytes[position + 1] !== 0xdd) return WEIGHT_SPECIAL;
  return WEIGHT_SPECIAL + readLength(bytes, position + 2, end, 4) * WEIGHT_ITEM;
}

function readLength(bytes: Uint8Array, position: number, end: number, width: number): number {
  if (position + width > end) throw new Error('the bytes end within a length');
  const first = bytes[position] as number;
  if (width === 1) return first;
  const second = bytes[position + 1] as number;
  if (width === 2) return first * 256 + second;
  return first * 0x1000000 + second * 0x10000 + (bytes[position + 2] as number) * 256 + (bytes[position + 3] as number);
}

function validText(bytes: Uint8Array, position: number, length: number): boolean {
  if (length > 128) return isUtf8(bytes.subarray(position, position + length));
  const end = position + length;
  let seen = 0;
  for (let index = position; index < end; index++) seen |= bytes[index] as number;
  return seen < 0x80 || isUtf8(bytes.subarray(position, end));
}

function isProto(bytes: Uint8Array, position: number): boolean {
  for (let index = 0; index < 9; index++) if (bytes[position + index] !== PROTO[index]) return false;
  return true;
}
