import { type Address, type ErrorCode, FoundationError } from '@foundation-ts/core';
import type { ChannelOffer } from '../channel.js';
import { MAX_CHANNELS, MAX_CONNECTIONS, MAX_NAME_BYTES } from '../defaults.js';

/** Longest text of an error that crosses before a session stands, characters. */
const MAX_REFUSAL = 1_000;
const MAX_WITHDRAWN = 64;
/** Random bytes that name one attempt to open a session. */
export const DIAL_ID_BYTES = 16;

/** What each side says of itself after its proof. */
export interface Introduction {
  /** Names the dialler's attempt, and then the session. */
  readonly id: Uint8Array;
  readonly address: Address | undefined;
  readonly metadata: unknown;
  readonly channels: readonly ChannelOffer[];
  /** Compression that the speaker can undo, as a set of bits. */
  readonly inflates: number;
  readonly fragmentBytes: number;
  readonly messageBytes: number;
  /** Attempts of its own that the speaker has given up in favour of this session. */
  readonly withdrawn: readonly Uint8Array[];
}

/** Asks to add a connection to a session. */
export interface Binding {
  readonly id: Uint8Array;
  readonly slot: number;
  readonly proof: Uint8Array;
}

/** Asks to add a connection of a channel that was opened later to a session that stands. */
export interface Joining {
  readonly id: Uint8Array;
  readonly channel: string;
  readonly index: number;
  readonly proof: Uint8Array;
}

export function encodeIntroduction(said: Introduction): unknown {
  const { address } = said;
  return [
    said.id,
    address === undefined ? null : [address.protocol, address.host, address.port],
    said.metadata,
    said.channels,
    said.fragmentBytes,
    said.messageBytes,
    said.withdrawn,
    said.inflates,
  ];
}

/** @throws FoundationError `protocol` */
export function decodeIntroduction(body: unknown): Introduction {
  const [id, address, metadata, channels, fragmentBytes, messageBytes, withdrawn, inflates] = tuple(body, 8);
  return {
    id: bytes(id, DIAL_ID_BYTES),
    address: address === null ? undefined : decodeAddress(address),
    metadata,
    channels: list(channels, MAX_CHANNELS).map(decodeOffer),
    fragmentBytes: integer(fragmentBytes, 1_024, 0x4000_0000),
    messageBytes: integer(messageBytes, 1, 0x7fff_ffff),
    withdrawn: list(withdrawn, MAX_WITHDRAWN).map(entry => bytes(entry, DIAL_ID_BYTES)),
    inflates: integer(inflates, 0, 0xff),
  };
}

export function encodeBinding(binding: Binding): unknown {
  return [binding.id, binding.slot, binding.proof];
}

/** @throws FoundationError `protocol` */
export function decodeBinding(body: unknown): Binding {
  const [id, slot, proof] = tuple(body, 3);
  return {
    id: bytes(id, DIAL_ID_BYTES),
    slot: integer(slot, 0, MAX_CHANNELS * MAX_CONNECTIONS),
    proof: bytes(proof, 32),
  };
}

export function encodeJoining(joining: Joining): unknown {
  return [joining.id, joining.channel, joining.index, joining.proof];
}

/** @throws FoundationError `protocol` */
export function decodeJoining(body: unknown): Joining {
  const [id, channel, index, proof] = tuple(body, 4);
  return {
    id: bytes(id, DIAL_ID_BYTES),
    channel: text(channel, MAX_NAME_BYTES),
    index: integer(index, 0, MAX_CONNECTIONS - 1),
    proof: bytes(proof, 32),
  };
}

/** @throws FoundationError `protocol` */
export function decodeOffers(body: unknown): readonly ChannelOffer[] {
  return list(body, MAX_CHANNELS).map(decodeOffer);
}

export function encodeRefusal(error: FoundationError): unknown {
  return [error.code, error.message.slice(0, MAX_REFUSAL), error.retryable];
}

/** The error that the other side refused us with. @throws FoundationError `protocol` */
export function decodeRefusal(body: unknown): FoundationError {
  const [code, message, retryable] = tuple(body, 3);
  if (typeof code !== 'string' || typeof message !== 'string' || typeof retryable !== 'boolean') throw malformed();
  return new FoundationError(code as ErrorCode, message.slice(0, MAX_REFUSAL), {
    retryable,
    details: { refusedByPeer: true },
  });
}

function decodeAddress(value: unknown): Address {
  const [protocol, host, port] = tuple(value, 3);
  return { protocol: text(protocol, 32), host: text(host, 255), port: integer(port, 1, 65_535) };
}

function decodeOffer(value: unknown): ChannelOffer {
  const [name, connections, window, flags] = tuple(value, 4);
  return [
    text(name, MAX_NAME_BYTES),
    integer(connections, 1, MAX_CONNECTIONS),
    integer(window, 1_024, 0x4000_0000),
    integer(flags, 0, 0xff),
  ];
}

function tuple(value: unknown, length: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length !== length) throw malformed();
  return value;
}

function list(value: unknown, most: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > most) throw malformed();
  return value;
}

function bytes(value: unknown, length: number): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length !== length) throw malformed();
  return value;
}

function integer(value: unknown, low: number, high: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < low || value > high) throw malformed();
  return value;
}

function text(value: unknown, most: number): string {
  if (typeof value !== 'string' || value === '' || Buffer.byteLength(value) > most) throw malformed();
  return value;
}

function malformed(): FoundationError {
  return new FoundationError('protocol', 'The peer introduced itself in a form that the protocol does not allow.');
}
