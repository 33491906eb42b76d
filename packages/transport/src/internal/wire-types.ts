/**
 * What MessagePack has no word for travels as an array that starts with the never-used byte 0xC1 and one of these
 * numbers: `[0xC1, type, …]`. Extensions use the positive numbers.
 */
export const SPECIAL_NEGATIVE_ZERO = -1;
export const SPECIAL_BIGINT = -2;
export const SPECIAL_STRING = -3;
export const SPECIAL_OBJECT = -4;
export const SPECIAL_MAP = -5;
export const SPECIAL_SET = -6;
export const SPECIAL_DATE = -7;
export const SPECIAL_BINARY = -8;
export const SPECIAL_EXTERNAL = -9;
export const SPECIAL_ERROR = -10;

type BinaryClass =
  | typeof Uint8Array
  | typeof Int8Array
  | typeof Uint8ClampedArray
  | typeof Int16Array
  | typeof Uint16Array
  | typeof Int32Array
  | typeof Uint32Array
  | typeof Float32Array
  | typeof Float64Array
  | typeof BigInt64Array
  | typeof BigUint64Array;

export const KIND_UINT8_ARRAY = 0;
export const KIND_BUFFER = 1;
export const KIND_ARRAY_BUFFER = 2;
export const KIND_DATA_VIEW = 3;
const KIND_FIRST_TYPED = 4;

/** Typed arrays by wire number, from {@link KIND_FIRST_TYPED} on. */
const typedArrays: readonly BinaryClass[] = [
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
];

const kindByPrototype = new Map<object, number>([
  [Uint8Array.prototype, KIND_UINT8_ARRAY],
  [Buffer.prototype, KIND_BUFFER],
  [ArrayBuffer.prototype, KIND_ARRAY_BUFFER],
  [DataView.prototype, KIND_DATA_VIEW],
]);
typedArrays.forEach((type, index) => {
  kindByPrototype.set(type.prototype, KIND_FIRST_TYPED + index);
});

/** The wire number of a binary value's class, by its prototype. */
export function binaryKind(prototype: object): number | undefined {
  return kindByPrototype.get(prototype);
}

/** The bytes of a binary value, not copied. */
export function bytesOf(value: ArrayBuffer | ArrayBufferView): Uint8Array {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

/**
 * Makes the binary value of class `kind` from `bytes`: a view where alignment allows it, else a copy.
 * @throws Error when kind or length do not fit
 */
export function binaryFrom(kind: unknown, bytes: Uint8Array): unknown {
  switch (kind) {
    case KIND_UINT8_ARRAY:
      return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    case KIND_BUFFER:
      return Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
    case KIND_ARRAY_BUFFER:
      return whole(bytes);
    case KIND_DATA_VIEW:
      return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    default: {
      const type = typeof kind === 'number' ? typedArrays[kind - KIND_FIRST_TYPED] : undefined;
      if (type === undefined) throw new Error(`unknown binary kind ${String(kind)}`);
      const width = type.BYTES_PER_ELEMENT;
      if (bytes.byteLength % width !== 0) throw new Error('a typed array of a broken length');
      if (bytes.byteOffset % width !== 0) return new type(whole(bytes));
      return new type(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength / width);
    }
  }
}

function whole(bytes: Uint8Array): ArrayBuffer {
  if (bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength) return bytes.buffer as ArrayBuffer;
  return Uint8Array.prototype.slice.call(bytes).buffer as ArrayBuffer;
}
