export { checkBind, isLoopback } from './bind.js';
export {
  type ChannelCompression,
  type ChannelDeclaration,
  type ChannelStats,
  DEFAULT_CHANNELS,
  type WhenFull,
} from './channel.js';
export {
  type Codec,
  type CodecExtension,
  type CodecInit,
  createCodec,
  type EncodedMemory,
  type EncodedParts,
  formatPath,
} from './codec.js';
export { MAX_NAME_BYTES } from './defaults.js';
export { Endpoint } from './endpoint.js';
export {
  beginHandshake,
  type HandshakeEffect,
  type HandshakeInit,
  type HandshakeInput,
  type HandshakeRole,
  type HandshakeState,
  HELLO_BYTES,
  PROTOCOL_MAX,
  PROTOCOL_MIN,
  type ProvenPeer,
  stepHandshake,
} from './handshake.js';
export { ROUND_TRIP_BOUNDS, type RoundTrips } from './internal/round-trip.js';
export type {
  EndpointDialOptions,
  EndpointInit,
  EndpointLimits,
  LostOutcome,
  Peer,
  PeerCertificate,
  PeerIdentity,
  SendResult,
} from './peer.js';
export { several, type TransportPart } from './several.js';
export {
  type Connection,
  type ConnectionEvents,
  type ConnectionSecurity,
  type DialOptions,
  type Listener,
  type ListenOptions,
  PLACE_HEAD_BYTES,
  type Transport,
  type TransportSecurity,
} from './transport.js';
