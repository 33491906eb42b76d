import { createHmac, timingSafeEqual } from 'node:crypto';
import { type ErrorCode, FoundationError, invalidOption } from '@foundation-ts/core';
import { MAX_NAME_BYTES } from './defaults.js';
import type { PeerCertificate } from './peer.js';
import { namesNode } from './tls/identity.js';
import type { ConnectionSecurity } from './transport.js';

/** Oldest and newest protocol that this version speaks. */
export const PROTOCOL_MIN = 1;
export const PROTOCOL_MAX = 1;

const MAGIC = 0x46_44_4e_31; // FDN1
const KIND_HELLO = 1;
const KIND_PROOF = 2;
const KIND_REJECT = 3;
const NONCE_BYTES = 32;
const MAC_BYTES = 32;
const AT_INCARNATION = 9 + NONCE_BYTES;
const AT_CLUSTER = AT_INCARNATION + 8;
const AT_NAME = AT_CLUSTER + 1 + MAX_NAME_BYTES;
/** Every hello has this length, so that nothing about a stranger decides how much is read. */
export const HELLO_BYTES = AT_NAME + 1 + MAX_NAME_BYTES;
const PROOF_BYTES = 5 + MAC_BYTES;
const REJECT_BYTES = 6;

/** A bit of the hello's flags: the speaker demands a proof that both know a secret. */
const FLAG_SECRET = 1;
/** A bit of the hello's flags: the speaker has a TLS exporter value. */
const FLAG_EXPORTER = 2;

/** Why a side refuses the other; a number on the wire, so that new ones go to the end. */
const rejections = [
  'protocol',
  'auth-failed',
  'incompatible',
  'wrong-cluster',
  'timeout',
  'certificate',
  'identity',
] as const;
type Rejection = (typeof rejections)[number];

/** Which side of a connection this is. */
export type HandshakeRole = 'dialler' | 'listener';

/** Options of {@link beginHandshake}. */
export interface HandshakeInit {
  readonly role: HandshakeRole;
  /** At most 127 bytes of UTF-8. */
  readonly clusterId: string;
  /** The node's name, at most 127 bytes of UTF-8. */
  readonly name: string;
  /** An integer from 0. */
  readonly incarnation: number;
  /**
   * What both sides must know; undefined: neither side proves anything. Of several, a dialler proves the first, and a listener
   * takes, and answers with, any.
   */
  readonly secret?: Uint8Array | readonly Uint8Array[] | undefined;
  /** What TLS has established: the proof is bound to it, and the peer may claim no name that its certificate does not give it. */
  readonly security?: ConnectionSecurity | undefined;
  /** 32 fresh random bytes. */
  readonly nonce: Uint8Array;
}

/** What the other side has proven, or without a secret: claimed. */
export interface ProvenPeer {
  readonly name: string;
  readonly incarnation: number;
  readonly clusterId: string;
  /** The protocol version that both speak. */
  readonly version: number;
  /** Both hellos and, if both sides have it, the TLS exporter value: equal on both sides, and different for each connection. */
  readonly transcript: Uint8Array;
  /** Known to these two nodes only, if there is a secret; different for each connection. */
  readonly key: Uint8Array;
  /** What its certificate says of it; undefined without mutual TLS. */
  readonly certificate: PeerCertificate | undefined;
}

export type HandshakeInput = { readonly type: 'frame'; readonly bytes: Uint8Array } | { readonly type: 'timeout' };

export type HandshakeEffect =
  | { readonly type: 'send'; readonly frame: Uint8Array }
  | { readonly type: 'proven'; readonly peer: ProvenPeer }
  /** The connection is to be closed, after what was sent. */
  | { readonly type: 'failed'; readonly error: FoundationError };

interface Hello {
  readonly bytes: Uint8Array;
  readonly name: string;
  readonly incarnation: number;
  readonly clusterId: string;
  readonly version: number;
  /** Whether it has a TLS exporter value. */
  readonly exporter: boolean;
}

export interface HandshakeState {
  readonly phase: 'hello' | 'proof' | 'over';
  readonly init: HandshakeInit;
  readonly own: Uint8Array;
  readonly peer: Hello | undefined;
}

/**
 * Starts the mutual proof that both sides of a connection know the same secret: each shows an HMAC-SHA-256 under the
 * secret over both hellos (with their nonces) and its own role, so that neither an old proof nor one's own reflected proof
 * is accepted. The dialler speaks and proves first. If both sides have a TLS exporter value, the proof is over that too: someone in
 * between who ends TLS on both sides has two different values.
 * @throws FoundationError `invalid-option` for a name, cluster id, incarnation or secret that does not fit
 */
export function beginHandshake(init: HandshakeInit): readonly [HandshakeState, readonly HandshakeEffect[]] {
  const own = encodeHello(init);
  const state: HandshakeState = { phase: 'hello', init, own, peer: undefined };
  return [state, init.role === 'dialler' ? [send(own.slice())] : []];
}

/** Advances a handshake. After an effect `proven` or `failed` it takes no more input. */
export function stepHandshake(
  state: HandshakeState,
  input: HandshakeInput,
): readonly [HandshakeState, readonly HandshakeEffect[]] {
  if (state.phase === 'over') return [state, []];
  if (input.type === 'timeout') {
    return fail(state, 'timeout', 'the other side did not complete the handshake in time', 'timeout');
  }
  const { bytes } = input;
  if (bytes.length < REJECT_BYTES || view(bytes).getUint32(0) !== MAGIC) {
    return fail(state, 'protocol', 'the other side does not speak the protocol', undefined);
  }
  const kind = bytes[4];
  if (kind === KIND_REJECT && bytes.length === REJECT_BYTES) return rejected(state, bytes[5] as number);
  if (state.phase === 'hello' && kind === KIND_HELLO && bytes.length === HELLO_BYTES) return onHello(state, bytes);
  if (state.phase === 'proof' && kind === KIND_PROOF && bytes.length === PROOF_BYTES) return onProof(state, bytes);
  return fail(state, 'protocol', 'the other side sent something else than the handshake allows now', 'protocol');
}

function onHello(state: HandshakeState, bytes: Uint8Array): readonly [HandshakeState, readonly HandshakeEffect[]] {
  const { init, own } = state;
  const low = bytes[5] as number;
  const high = bytes[6] as number;
  const version = Math.min(high, PROTOCOL_MAX);
  if (version < Math.max(low, PROTOCOL_MIN)) {
    return fail(
      state,
      'incompatible',
      `it speaks protocol versions ${low} to ${high}, this node ${PROTOCOL_MIN} to ${PROTOCOL_MAX}. Upgrade the older of the two`,
      'incompatible',
    );
  }
  const reflected =
    bytes[7] === own[7] || sameBytes(bytes.subarray(9, AT_INCARNATION), own.subarray(9, AT_INCARNATION));
  const clusterId = readName(bytes, AT_CLUSTER);
  const name = readName(bytes, AT_NAME);
  const incarnation = Number(view(bytes).getBigUint64(AT_INCARNATION));
  if (reflected || clusterId === undefined || name === undefined || name === '' || !Number.isSafeInteger(incarnation)) {
    return fail(
      state,
      'protocol',
      reflected ? 'the other side sent our own hello back' : 'its hello is malformed',
      'protocol',
    );
  }
  if (clusterId !== init.clusterId) {
    return fail(
      state,
      'wrong-cluster',
      `it belongs to cluster '${printable(clusterId)}', this node to '${init.clusterId}'`,
      'wrong-cluster',
    );
  }
  const { security } = init;
  if (security !== undefined && !namesNode(security.peerIdentity, name)) {
    return fail(
      state,
      'auth-failed',
      `it calls itself '${printable(name)}', but its certificate is for ${security.peerIdentity.map(each => `'${printable(each)}'`).join(', ') || 'nobody'}. Give it the certificate of its name`,
      'identity',
    );
  }
  const flags = bytes[8] as number;
  const secured = secretsOf(init)[0] !== undefined;
  if (secured !== ((flags & FLAG_SECRET) !== 0))
    return fail(state, 'auth-failed', secretMismatch(secured), 'auth-failed');
  const exporter = (flags & FLAG_EXPORTER) !== 0;
  const peer: Hello = {
    bytes: Uint8Array.prototype.slice.call(bytes),
    name,
    incarnation,
    clusterId,
    version,
    exporter,
  };
  const next: HandshakeState = { phase: 'proof', init, own, peer };
  const answer = init.role === 'listener' ? own.slice() : encodeProof(next, init.role, secretsOf(init)[0]);
  return [next, [send(answer)]];
}

function onProof(state: HandshakeState, bytes: Uint8Array): readonly [HandshakeState, readonly HandshakeEffect[]] {
  const { init, peer } = state;
  if (peer === undefined) throw new Error('a proof before a hello');
  const listens = init.role === 'listener';
  // The secret of a connection is the dialler's first.
  const candidates = listens ? secretsOf(init) : secretsOf(init).slice(0, 1);
  const theirs = listens ? 'dialler' : 'listener';
  const shown = candidates.filter(secret => timingSafeEqual(bytes, encodeProof(state, theirs, secret)));
  if (shown.length === 0) {
    const bound = init.security !== undefined && peer.exporter;
    return fail(
      state,
      'auth-failed',
      `its proof is wrong: the two nodes have different secrets${bound ? ', or someone in between ends the TLS connection' : ''}. Give both the same one`,
      'auth-failed',
    );
  }
  const [secret] = shown;
  const transcript = transcriptOf(state);
  const proven: ProvenPeer = {
    name: peer.name,
    incarnation: peer.incarnation,
    clusterId: peer.clusterId,
    version: peer.version,
    transcript,
    key: mac(secret, 'foundation session 1', transcript),
    certificate:
      init.security === undefined ? undefined : { names: init.security.peerIdentity, roles: init.security.peerRoles },
  };
  const effects: HandshakeEffect[] = [];
  if (listens) effects.push(send(encodeProof(state, 'listener', secret)));
  effects.push({ type: 'proven', peer: proven });
  return [{ ...state, phase: 'over' }, effects];
}

/**
 * The first frame after a listener's proof may still be a reject: the dialler's time had run out, or it did not like that proof, while the
 * listener held the handshake for over.
 * @param state - of the handshake that is over
 * @returns why; undefined for a frame that is no reject
 */
export function lateRejection(state: HandshakeState, bytes: Uint8Array): FoundationError | undefined {
  if (state.init.role !== 'listener' || bytes.length !== REJECT_BYTES) return undefined;
  if (view(bytes).getUint32(0) !== MAGIC || bytes[4] !== KIND_REJECT) return undefined;
  return rejectionError(state, bytes[5] as number);
}

function rejected(state: HandshakeState, index: number): readonly [HandshakeState, readonly HandshakeEffect[]] {
  return [{ ...state, phase: 'over' }, [{ type: 'failed', error: rejectionError(state, index) }]];
}

function rejectionError(state: HandshakeState, index: number): FoundationError {
  const { name, clusterId, secret } = state.init;
  const rejection = rejections[index] ?? 'protocol';
  const why: Record<Rejection, string> = {
    'auth-failed':
      secret === undefined
        ? secretMismatch(false)
        : 'it did not accept our proof: it has another secret, or none. Give both nodes the same one',
    'wrong-cluster': `it belongs to another cluster than '${clusterId}'. Give both nodes the same cluster id, or separate them`,
    incompatible: `it does not speak protocol version ${PROTOCOL_MAX}. Upgrade the older of the two nodes`,
    timeout: 'it found the handshake too slow',
    certificate:
      'it did not accept the certificate of this node: none, expired, or of an authority that it does not trust. Its log says which',
    identity: `the certificate of this node does not name '${name}'. Give the node the certificate of its name`,
    protocol: 'it refused the handshake',
  };
  return notAccepted(state, codeOf(rejection), why[rejection]);
}

function codeOf(rejection: Rejection): ErrorCode {
  return rejection === 'certificate' || rejection === 'identity' ? 'auth-failed' : rejection;
}

function secretsOf(init: HandshakeInit): readonly (Uint8Array | undefined)[] {
  const { secret } = init;
  return secret === undefined || secret instanceof Uint8Array ? [secret] : secret;
}

function secretMismatch(secured: boolean): string {
  return secured
    ? 'it has no secret, but this node demands one. Give it the same secret (option secret or FOUNDATION_SECRET)'
    : 'it demands a secret, and this node has none. Give this node the same secret (option secret or FOUNDATION_SECRET)';
}

function fail(
  state: HandshakeState,
  code: ErrorCode,
  why: string,
  tell: Rejection | undefined,
): readonly [HandshakeState, readonly HandshakeEffect[]] {
  const failed: HandshakeEffect = { type: 'failed', error: notAccepted(state, code, why) };
  const effects = tell === undefined ? [failed] : [send(encodeReject(tell)), failed];
  return [{ ...state, phase: 'over' }, effects];
}

function notAccepted(state: HandshakeState, code: ErrorCode, why: string): FoundationError {
  const who = state.peer === undefined ? 'The other side' : `Node '${printable(state.peer.name)}'`;
  return new FoundationError(code, `${who} was not accepted: ${why}.`);
}

function encodeHello(init: HandshakeInit): Uint8Array {
  const { clusterId, name, incarnation, nonce, secret, security, role } = init;
  if (!Number.isSafeInteger(incarnation) || incarnation < 0) {
    throw invalidOption('incarnation', incarnation, 'an integer from 0 to 2^53 - 1');
  }
  if (secret !== undefined && secret.length === 0) throw invalidOption('secret', secret, 'at least one secret');
  if (nonce.length !== NONCE_BYTES) throw invalidOption('nonce', nonce.length, `${NONCE_BYTES} bytes`);
  const bytes = new Uint8Array(HELLO_BYTES);
  view(bytes).setUint32(0, MAGIC);
  bytes[4] = KIND_HELLO;
  bytes[5] = PROTOCOL_MIN;
  bytes[6] = PROTOCOL_MAX;
  bytes[7] = role === 'dialler' ? 1 : 2;
  bytes[8] = (secret === undefined ? 0 : FLAG_SECRET) | (security === undefined ? 0 : FLAG_EXPORTER);
  bytes.set(nonce, 9);
  view(bytes).setBigUint64(AT_INCARNATION, BigInt(incarnation));
  writeName(bytes, AT_CLUSTER, 'clusterId', clusterId);
  writeName(bytes, AT_NAME, 'name', name);
  return bytes;
}

function encodeProof(state: HandshakeState, role: HandshakeRole, secret: Uint8Array | undefined): Uint8Array {
  const bytes = new Uint8Array(PROOF_BYTES);
  view(bytes).setUint32(0, MAGIC);
  bytes[4] = KIND_PROOF;
  bytes.set(mac(secret, `foundation proof 1 ${role}`, transcriptOf(state)), 5);
  return bytes;
}

/** The frame that tells the other side why it is not accepted. */
export function encodeReject(why: Rejection): Uint8Array {
  const bytes = new Uint8Array(REJECT_BYTES);
  view(bytes).setUint32(0, MAGIC);
  bytes[4] = KIND_REJECT;
  bytes[5] = rejections.indexOf(why);
  return bytes;
}

function transcriptOf(state: HandshakeState): Uint8Array {
  const { own, peer, init } = state;
  if (peer === undefined) throw new Error('a transcript before both hellos');
  const hellos = init.role === 'dialler' ? [own, peer.bytes] : [peer.bytes, own];
  // Both flags stand in the hellos: whoever changes one changes the transcript.
  const bound = init.security !== undefined && peer.exporter ? [init.security.exporter] : [];
  return Buffer.concat([...hellos, ...bound]);
}

/** HMAC-SHA-256 of a label and data; without a secret it proves nothing, but is still different for each connection. */
export function mac(key: Uint8Array | undefined, label: string, ...data: readonly Uint8Array[]): Uint8Array {
  const hmac = createHmac('sha256', key ?? new Uint8Array(0));
  hmac.update(`${label}\0`);
  for (const part of data) hmac.update(part);
  return hmac.digest();
}

function writeName(bytes: Uint8Array, offset: number, option: string, text: string): void {
  const encoded = Buffer.from(text, 'utf8');
  if (encoded.length === 0 || encoded.length > MAX_NAME_BYTES) {
    throw invalidOption(option, text, `a text of 1 to ${MAX_NAME_BYTES} bytes`);
  }
  bytes[offset] = encoded.length;
  bytes.set(encoded, offset + 1);
}

function readName(bytes: Uint8Array, offset: number): string | undefined {
  const length = bytes[offset] as number;
  if (length > MAX_NAME_BYTES) return undefined;
  try {
    return utf8.decode(bytes.subarray(offset + 1, offset + 1 + length));
  } catch {
    return undefined;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** What a stranger sent, fit for a log line. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?');
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

function send(frame: Uint8Array): HandshakeEffect {
  return { type: 'send', frame };
}
