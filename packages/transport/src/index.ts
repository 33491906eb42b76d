export type {
  Connection,
  ConnectionEvents,
  DialOptions,
  Listener,
  ListenOptions,
  Transport,
} from './transport.js';
