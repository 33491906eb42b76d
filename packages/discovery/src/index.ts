export { addressSet, sameAddressSet } from './address-set.js';
export { type Cookie, type CookieInit, readOrCreateCookie } from './cookie.js';
export { Latest } from './latest.js';
export type { Advertised, DiscoveryContext, DiscoveryStrategy } from './strategy.js';
