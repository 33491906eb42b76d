import {
  type Address,
  type Clock,
  checkKeys,
  FoundationError,
  invalidOption,
  type Log,
  type Random,
  type Telemetry,
} from '@foundation-ts/core';
import { DEFAULT_CHANNELS, type ResolvedChannel, resolveChannels } from '../channel.js';
import { type Codec, createCodec } from '../codec.js';
import {
  DEFAULT_FRAGMENT_BYTES,
  DEFAULT_FRAME_BYTES,
  DEFAULT_HANDSHAKE_TIMEOUT,
  DEFAULT_LINGER,
  DEFAULT_PENDING_CONNECTIONS,
  DEFAULT_REASSEMBLY_BYTES,
  DEFAULT_SESSION_TIMEOUT,
  DEFAULT_TURN_BYTES,
} from '../defaults.js';
import { beginHandshake, type HandshakeInit, type HandshakeRole } from '../handshake.js';
import type { EndpointInit, EndpointLimits } from '../peer.js';
import { namesNode } from '../tls/identity.js';
import type { Transport } from '../transport.js';
import { FRAGMENT_HEADER } from './frames.js';
import { Streams } from './streams.js';

/** Frames that set a session up are at most this long, bytes. */
const CONTROL_BYTES = 48 * 1024;
const METADATA_BYTES = 32 * 1024;
const NONCE_BYTES = 32;
const MIN_SECRET_BYTES = 16;
/** Each is tried on each incoming proof. */
const MAX_SECRETS = 8;
const MIN_FRAGMENT_BYTES = 1_024;

/** What everything inside an endpoint shares, resolved once. */
export interface Settings {
  readonly name: string;
  readonly incarnation: number;
  readonly clusterId: string;
  readonly metadata: unknown;
  readonly address: Address | undefined;
  readonly transport: Transport;
  readonly codec: Codec;
  /** For the frames that set a session up; knows no extensions. */
  readonly controlCodec: Codec;
  readonly secret: readonly Uint8Array[] | undefined;
  /** Replaced by another list when channels are opened and closed. */
  channels: readonly ResolvedChannel[];
  readonly route: EndpointInit['route'];
  readonly essential: EndpointInit['essential'];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly telemetry: Telemetry;
  readonly limits: Required<EndpointLimits>;
  /** What the transport is told: no frame of ours is longer. */
  readonly maxFrameBytes: number;
  readonly streams: Streams;
}

/** @throws FoundationError `invalid-option` */
export function resolveSettings(init: EndpointInit): Settings {
  const { self } = init;
  const identity = init.transport.security?.identity();
  if (identity !== undefined && !namesNode(identity, self.name)) {
    throw new FoundationError(
      'invalid-option',
      `tls.cert is the certificate of ${identity.map(name => `'${name}'`).join(', ') || 'nobody'}, and this node is called '${self.name}'. Give it the certificate of its name, or the name of its certificate.`,
    );
  }
  const limits = resolveLimits(init.limits ?? {}, init.codec);
  const controlCodec = createCodec({ maxBytes: CONTROL_BYTES });
  if (controlCodec.encode(self.metadata).length > METADATA_BYTES) {
    throw invalidOption('self.metadata', self.metadata, `plain data of at most ${METADATA_BYTES} bytes encoded`);
  }
  const channels = resolveChannels(init.channels ?? DEFAULT_CHANNELS);
  const settings: Settings = {
    name: self.name,
    incarnation: self.incarnation,
    clusterId: self.clusterId,
    metadata: self.metadata,
    address: self.address,
    transport: init.transport,
    codec: init.codec,
    controlCodec,
    secret: resolveSecrets(init.secret),
    channels,
    route: init.route?.bind(init),
    essential: init.essential?.bind(init),
    clock: init.clock,
    random: init.random,
    log: init.log,
    telemetry: init.telemetry,
    limits,
    maxFrameBytes: Math.min(limits.frameBytes, Math.max(limits.fragmentBytes + FRAGMENT_HEADER, CONTROL_BYTES)),
    streams: new Streams(),
  };
  beginHandshake({ ...handshakeInit(settings, 'listener'), nonce: new Uint8Array(NONCE_BYTES) });
  return settings;
}

/** What a handshake of this node starts from, with a fresh nonce. */
export function handshakeInit(settings: Settings, role: HandshakeRole): HandshakeInit {
  return {
    role,
    clusterId: settings.clusterId,
    name: settings.name,
    incarnation: settings.incarnation,
    secret: settings.secret,
    nonce: settings.random.bytes(NONCE_BYTES),
  };
}

function resolveSecrets(given: EndpointInit['secret']): readonly Uint8Array[] | undefined {
  if (given === undefined) return undefined;
  const secrets = given instanceof Uint8Array ? [given] : [...given];
  if (secrets.length === 0 || secrets.length > MAX_SECRETS) {
    throw invalidOption('secret', `${secrets.length} secrets`, `1 to ${MAX_SECRETS}, the one to prove first`);
  }
  for (const { length } of secrets) {
    if (length < MIN_SECRET_BYTES) {
      throw invalidOption('secret', `${length} bytes`, `at least ${MIN_SECRET_BYTES} random bytes`);
    }
  }
  return secrets.map(secret => Uint8Array.from(secret));
}

function resolveLimits(given: EndpointLimits, codec: Codec): Required<EndpointLimits> {
  const limits: Required<EndpointLimits> = {
    messageBytes: given.messageBytes ?? codec.maxBytes,
    frameBytes: given.frameBytes ?? DEFAULT_FRAME_BYTES,
    fragmentBytes: given.fragmentBytes ?? DEFAULT_FRAGMENT_BYTES,
    turnBytes: given.turnBytes ?? DEFAULT_TURN_BYTES,
    reassemblyBytes: given.reassemblyBytes ?? DEFAULT_REASSEMBLY_BYTES,
    handshakeTimeout: given.handshakeTimeout ?? DEFAULT_HANDSHAKE_TIMEOUT,
    sessionTimeout: given.sessionTimeout ?? DEFAULT_SESSION_TIMEOUT,
    pendingConnections: given.pendingConnections ?? DEFAULT_PENDING_CONNECTIONS,
    linger: given.linger ?? DEFAULT_LINGER,
  };
  checkKeys('limits', given, Object.keys(limits));
  for (const [key, value] of Object.entries(limits)) {
    if (!Number.isInteger(value) || value < 1) throw invalidOption(`limits.${key}`, value, 'an integer from 1');
  }
  if (limits.messageBytes > codec.maxBytes) {
    throw invalidOption('limits.messageBytes', limits.messageBytes, `at most the codec's ${codec.maxBytes}`);
  }
  if (limits.fragmentBytes < MIN_FRAGMENT_BYTES || limits.fragmentBytes + FRAGMENT_HEADER > limits.frameBytes) {
    throw invalidOption('limits.fragmentBytes', limits.fragmentBytes, `${MIN_FRAGMENT_BYTES} to limits.frameBytes`);
  }
  if (limits.frameBytes < CONTROL_BYTES) {
    throw invalidOption('limits.frameBytes', limits.frameBytes, `at least ${CONTROL_BYTES}`);
  }
  return limits;
}

/** The error of an endpoint that was closed. */
export function stopped(): FoundationError {
  return new FoundationError('stopped', 'The endpoint was closed.');
}
