import * as msgpackr from 'msgpackr/pack';

/**
 * `msgpackr` less its streams, struct encoding and native addon, which Foundation does not use: half a MB of heap. What a process of a node holds when it begins is
 * just below 8 MB so, from where V8 marks for every 16 MB of binary data.
 */
export { Packr, RESERVE_START_SPACE, REUSE_BUFFER_MODE, Unpackr } from 'msgpackr/pack';

/** The class of what `msgpackr` writes as the byte 0xc1; its types leave it out here. */
export const C1: object = (msgpackr as unknown as { readonly C1: object }).C1;
