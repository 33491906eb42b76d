import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { type Clock, FoundationError, type Random } from '@foundation-ts/core';
import { DNS_MAX_STRAYS } from './defaults.js';
import { type DnsAnswer, type DnsQuestion, type DnsRefusal, encodeQuery, readAnswer } from './dns-message.js';
import type { DnsServer } from './dns-server.js';

/** One question to one server. */
export interface DnsExchange {
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly server: DnsServer;
  readonly question: DnsQuestion;
  /** Milliseconds. */
  readonly timeout: number;
  /** Without options in the query. */
  readonly plain: boolean;
  readonly dropped: (reason: DnsRefusal) => void;
}

type Answer = DnsAnswer | 'ask-tcp';

/**
 * Asks by one datagram from a port of its own. The kernel hands us what comes from the server's address and port alone; what does
 * not fit the question is dropped, and after many of those the caller is to ask over TCP, which nobody answers by guessing.
 */
export function askUdp(exchange: DnsExchange): Promise<Answer> {
  const { server, question, plain, dropped } = exchange;
  return settled(exchange, (resolve, reject) => {
    const id = randomId(exchange);
    const socket = createSocket(server.host.includes(':') ? 'udp6' : 'udp4');
    let strays = 0;
    socket.unref();
    socket.on('error', reject);
    socket.on('message', message => {
      const answer = readAnswer(message, question, id);
      if (typeof answer !== 'string') return resolve(answer);
      dropped(answer);
      if (++strays >= DNS_MAX_STRAYS) resolve('ask-tcp');
    });
    // as a listener and not as the callback, which would get the error of a network that is not there
    socket.once('connect', () => socket.send(encodeQuery(question, id, plain)));
    socket.connect(server.port, server.host);
    return () => socket.close();
  });
}

/** Asks over a connection of its own. */
export function askTcp(exchange: DnsExchange): Promise<DnsAnswer> {
  const { server, question, plain, dropped } = exchange;
  return settled(exchange, (resolve, reject) => {
    const id = randomId(exchange);
    const socket = connect(server.port, server.host, () => socket.write(framed(encodeQuery(question, id, plain))));
    const received: Buffer[] = [];
    let [length, wanted] = [0, 2];
    socket.unref();
    socket.on('error', reject);
    socket.on('close', () => reject(new FoundationError('noconnection', 'closed the connection before its answer')));
    socket.on('data', (chunk: Buffer) => {
      received.push(chunk);
      length += chunk.length;
      if (length < wanted) return;
      const bytes = Buffer.concat(received);
      wanted = 2 + bytes.readUInt16BE(0);
      if (length < wanted) return;
      const answer = readAnswer(bytes.subarray(2, wanted), question, id);
      if (typeof answer !== 'string') return resolve(answer);
      dropped(answer);
      reject(new FoundationError('protocol', `answered over TCP with a message that is ${answer}`));
    });
    return () => socket.destroy();
  });
}

/** Settles once, also when time is up or the signal aborts, and closes what `start` opened. */
function settled<T>(
  { clock, signal, timeout }: DnsExchange,
  start: (resolve: (value: T) => void, reject: (error: Error) => void) => () => void,
): Promise<T> {
  // of an earlier abort the listener would not be told
  if (signal.aborted) return Promise.reject(signal.reason as Error);
  return new Promise((resolve, reject) => {
    let over = false;
    let close = (): void => {};
    const end = (settle: () => void): void => {
      if (over) return;
      over = true;
      timer.cancel();
      signal.removeEventListener('abort', aborted);
      close();
      settle();
    };
    const fail = (error: Error): void => end(() => reject(error));
    const aborted = (): void => fail(signal.reason as Error);
    const late = (): void => fail(new FoundationError('timeout', `no answer within ${timeout} ms`));
    const timer = clock.setTimeout(late, timeout, { unref: true });
    signal.addEventListener('abort', aborted);
    try {
      close = start(value => end(() => resolve(value)), fail);
    } catch (error) {
      fail(error as Error);
    }
  });
}

const randomId = ({ random }: DnsExchange): number => Buffer.from(random.bytes(2)).readUInt16BE(0);

function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
