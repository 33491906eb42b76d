export { type WsInit, ws } from './transport.js';
