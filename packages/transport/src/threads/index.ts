export { ThreadBroker } from './broker.js';
export { type ThreadsInit, threads } from './transport.js';
