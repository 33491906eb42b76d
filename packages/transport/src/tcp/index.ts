export { type TcpInit, tcp } from './transport.js';
