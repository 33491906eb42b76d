export type { Advertised, DiscoveryContext, DiscoveryStrategy } from './strategy.js';
