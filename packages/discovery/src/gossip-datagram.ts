import { createCipheriv, createDecipheriv, createHash, hkdfSync } from 'node:crypto';
import { FoundationError, type Random } from '@foundation-ts/core';
import { toAdvertised } from './advertised.js';
import { GOSSIP_MAX_DATAGRAM_BYTES } from './defaults.js';
import type { Advertised } from './strategy.js';

/** What a node says of itself in one datagram. */
export interface Beat {
  readonly kind: 'beat' | 'goodbye';
  readonly node: Advertised;
  /** Grows with each datagram of an incarnation. */
  readonly sequence: number;
  /** The sender's wall clock, ms since 1970. */
  readonly sentAt: number;
  /** The sender's mean time between beats, ms. */
  readonly interval: number;
}

/**
 * Why a datagram was dropped unread.
 *
 * - `oversized`, `malformed`: not what Foundation sends
 * - `foreign-cluster`: of another cluster on the same network (no fault)
 * - `unauthenticated`: not sealed with our secret: forged, altered, of a cluster of the same name, or not sealed at all
 */
export type Refusal = 'oversized' | 'malformed' | 'foreign-cluster' | 'unauthenticated';

const magic = Buffer.from('FGSP');
const version = 1;
const plain = 0;
const sealed = 1;
const cipher = 'aes-256-gcm';
const tagLength = 16;
const nonceLength = 12;
const clusterTagLength = 8;
const headerLength = magic.length + 2 + clusterTagLength;

/**
 * Makes and reads the datagrams of one cluster.
 *
 * Layout: `FGSP`, version, mode, 8 bytes of SHA-256 of the cluster id (so that the datagrams of other clusters cost
 * nothing); then, sealed, a random 96-bit nonce, the ciphertext and the tag of AES-256-GCM with the header as
 * associated data, under a key derived from the secret and the cluster id by HKDF-SHA-256 (RFC 5869). Without a secret
 * the text stands bare.
 */
export class DatagramCodec {
  readonly #clusterId: string;
  readonly #key: Uint8Array | undefined;
  readonly #accepted: readonly Uint8Array[];
  readonly #header: Buffer;
  readonly #random: Random;

  /**
   * @param secret - seals what is written
   * @param accepts - open what is read; default: `secret` alone
   */
  constructor(clusterId: string, secret: Uint8Array | undefined, random: Random, accepts?: readonly Uint8Array[]) {
    this.#clusterId = clusterId;
    this.#random = random;
    this.#key = secret === undefined ? undefined : keyOf(clusterId, secret);
    this.#accepted =
      this.#key === undefined ? [] : (accepts?.map(accepted => keyOf(clusterId, accepted)) ?? [this.#key]);
    const clusterTag = createHash('sha256').update(`foundation gossip cluster ${clusterId}`).digest();
    this.#header = Buffer.concat([
      magic,
      Buffer.of(version, this.#key === undefined ? plain : sealed),
      clusterTag.subarray(0, clusterTagLength),
    ]);
  }

  /** @throws FoundationError `too-large` when the node's name, cluster id and host don't fit one datagram */
  encode(beat: Beat): Uint8Array {
    const { name, clusterId, incarnation, address } = beat.node;
    const fields = [
      beat.kind,
      name,
      clusterId,
      incarnation,
      address.protocol,
      address.host,
      address.port,
      beat.sequence,
      beat.sentAt,
      beat.interval,
    ];
    const text = Buffer.from(JSON.stringify(fields));
    const datagram = this.#key === undefined ? Buffer.concat([this.#header, text]) : this.#seal(text, this.#key);
    if (datagram.length > GOSSIP_MAX_DATAGRAM_BYTES) {
      throw new FoundationError(
        'too-large',
        `Node '${name}' can't be advertised by gossip: its datagram has ${datagram.length} bytes, allowed are ${GOSSIP_MAX_DATAGRAM_BYTES}; use a shorter node name, cluster id or host name.`,
      );
    }
    return datagram;
  }

  /** Reads a datagram from anybody; costs at most one decryption of {@link GOSSIP_MAX_DATAGRAM_BYTES} for each secret. Never throws. */
  decode(datagram: Uint8Array): Beat | Refusal {
    if (datagram.length > GOSSIP_MAX_DATAGRAM_BYTES) return 'oversized';
    const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.byteLength);
    const header = bytes.subarray(0, headerLength);
    if (header.length < headerLength || !header.subarray(0, magic.length).equals(magic)) return 'malformed';
    if (header[magic.length] !== version) return 'malformed';
    if (!header.subarray(magic.length + 2).equals(this.#header.subarray(magic.length + 2))) return 'foreign-cluster';
    if (!header.equals(this.#header)) return 'unauthenticated';
    const body = bytes.subarray(headerLength);
    const text = this.#key === undefined ? body : this.#openAny(header, body);
    if (text === undefined) return 'unauthenticated';
    const beat = toBeat(text);
    if (beat === undefined) return 'malformed';
    return beat.node.clusterId === this.#clusterId ? beat : 'foreign-cluster';
  }

  #seal(text: Uint8Array, key: Uint8Array): Buffer {
    const nonce = this.#random.bytes(nonceLength);
    const encryption = createCipheriv(cipher, key, nonce, { authTagLength: tagLength });
    encryption.setAAD(this.#header);
    const body = Buffer.concat([encryption.update(text), encryption.final()]);
    return Buffer.concat([this.#header, nonce, body, encryption.getAuthTag()]);
  }

  #openAny(header: Uint8Array, body: Buffer): Buffer | undefined {
    for (const key of this.#accepted) {
      const text = this.#open(header, body, key);
      if (text !== undefined) return text;
    }
    return undefined;
  }

  #open(header: Uint8Array, body: Buffer, key: Uint8Array): Buffer | undefined {
    if (body.length < nonceLength + tagLength) return undefined;
    const decryption = createDecipheriv(cipher, key, body.subarray(0, nonceLength), { authTagLength: tagLength });
    decryption.setAAD(header);
    decryption.setAuthTag(body.subarray(body.length - tagLength));
    const text = decryption.update(body.subarray(nonceLength, body.length - tagLength));
    try {
      decryption.final();
      return text;
    } catch {
      // the tag is wrong, which the caller counts
      return undefined;
    }
  }
}

const keyOf = (clusterId: string, secret: Uint8Array): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(0), `foundation/gossip/v1/${clusterId}`, 32));

function toBeat(text: Buffer): Beat | undefined {
  const fields = parse(text);
  if (!Array.isArray(fields) || fields.length !== 10) return undefined;
  const [kind, name, clusterId, incarnation, protocol, host, port, sequence, sentAt, interval] = fields as unknown[];
  const node = toAdvertised({ name, clusterId, incarnation, address: { protocol, host, port } });
  if (node === undefined || (kind !== 'beat' && kind !== 'goodbye')) return undefined;
  if (!isCount(sequence) || !isCount(sentAt) || !isCount(interval)) return undefined;
  return { kind, node, sequence, sentAt, interval };
}

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

function parse(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString('utf8'));
  } catch {
    // what is not JSON is malformed, as the caller says
    return undefined;
  }
}
