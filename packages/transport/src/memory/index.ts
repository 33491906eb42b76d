export type { LinkFaults } from './faults.js';
export { MemoryNetwork, type MemoryNetworkInit, type MemoryNetworkStats } from './network.js';
export { type MemoryInit, memory } from './transport.js';
