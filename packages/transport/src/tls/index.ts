export type { Pem, TlsOptions, TlsProvider } from './credentials.js';
export { type TlsFiles, tlsFiles } from './files.js';
