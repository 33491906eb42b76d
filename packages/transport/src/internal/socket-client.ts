import { connect, type OnReadOpts, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Address } from '@foundation-ts/core';
import type { Credentials } from '../tls/credentials.js';
import { judgePeer, looksLikeTlsRefusal } from '../tls/peer-certificate.js';
import type { ConnectionSecurity } from '../transport.js';
import type { DialAttempt } from './dial-attempt.js';

/** A connected stream and what is known about it. */
export interface OpenSocket {
  readonly socket: Socket;
  readonly security: ConnectionSecurity | undefined;
  /** Ends it at once, so that the other side sees an error and not an end. */
  reset(): void;
}

/**
 * Connects, through TLS if there are credentials.
 * @param opened - called once, in the turn in which the socket can be used
 * @param onread - takes what a socket without TLS reads, in place of its `data` events
 * @returns gives it up
 */
export function openSocket(
  to: Address,
  credentials: Credentials | undefined,
  attempt: DialAttempt,
  opened: (open: OpenSocket) => void,
  onread?: OnReadOpts,
): () => void {
  const raw = connect({
    host: to.host,
    port: to.port,
    noDelay: true,
    ...(onread === undefined || credentials !== undefined ? {} : { onread }),
  });
  const onError = (error: NodeJS.ErrnoException): void => {
    if (error.code === 'ECONNREFUSED') attempt.fail('refused', 'nothing listens there', error);
    else attempt.fail('noconnection', error.code ?? error.message, error);
  };
  raw.on('error', onError);
  if (credentials === undefined) {
    raw.once('connect', () => {
      raw.off('error', onError);
      // A destroyed socket may still report an error, which nobody waits for.
      raw.on('error', () => {});
      opened({ socket: raw, security: undefined, reset: () => raw.resetAndDestroy() });
    });
  } else {
    raw.once('connect', () => {
      raw.off('error', onError);
      raw.on('error', () => {});
      secure(raw, credentials, attempt, opened);
    });
  }
  return () => {
    raw.on('error', () => {});
    raw.destroy();
  };
}

function secure(raw: Socket, credentials: Credentials, attempt: DialAttempt, opened: (open: OpenSocket) => void): void {
  let socket: ReturnType<typeof connectTls>;
  try {
    const { context } = credentials.current();
    socket = connectTls({
      socket: raw,
      secureContext: context,
      // Checked below, where a reason can be given.
      rejectUnauthorized: false,
      // It names a node and not a host: the handshake compares it with the name that the node claims.
      checkServerIdentity: () => undefined,
    });
  } catch (error) {
    attempt.fail('invalid-option', (error as Error).message.replace(/\.$/, ''), error);
    return;
  }
  const onError = (error: NodeJS.ErrnoException): void => {
    const code = looksLikeTlsRefusal(error) ? 'auth-failed' : 'noconnection';
    attempt.fail(code, `the TLS handshake failed (${error.message.trim()}). Does the other node use TLS too`, error);
  };
  socket.on('error', onError);
  socket.once('secureConnect', () => {
    socket.off('error', onError);
    socket.on('error', () => {});
    const { security, problem } = judgePeer(socket);
    if (problem === undefined) opened({ socket, security, reset: () => reset(raw, socket) });
    else attempt.fail('auth-failed', problem);
  });
}

/** A TLS socket can't be reset itself, and what ends it otherwise looks like an end in order. */
export function reset(raw: Socket, socket: Socket): void {
  if (raw.destroyed) socket.destroy();
  else raw.resetAndDestroy();
}
