// For tests outside of this package, which depends on dns-packet.
export { type Answer, decode, encode } from 'dns-packet';
