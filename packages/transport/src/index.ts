export { type Codec, type CodecExtension, type CodecInit, createCodec, type EncodedParts, formatPath } from './codec.js';
export type {
  Connection,
  ConnectionEvents,
  DialOptions,
  Listener,
  ListenOptions,
  Transport,
} from './transport.js';
