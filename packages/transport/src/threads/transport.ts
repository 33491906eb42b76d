import type { MessagePort } from 'node:worker_threads';
import { type Address, type Clock, checkKeys, FoundationError, invalidOption, systemClock } from '@foundation-ts/core';
import { DEFAULT_DIAL_TIMEOUT, DEFAULT_LINGER } from '../defaults.js';
import { attemptDial } from '../internal/dial-attempt.js';
import type { Connection, DialOptions, Listener, ListenOptions, Transport } from '../transport.js';
import type { ThreadBroker } from './broker.js';
import { ThreadConnection } from './connection.js';
import type { BrokerMessage, BrokerRequest, ChannelMessage } from './messages.js';

/** Options of {@link threads}: the port that the broker made for this thread, or, in the broker's own thread, the broker and a name. */
export interface ThreadsInit {
  readonly port?: MessagePort;
  readonly broker?: ThreadBroker;
  /** With {@link broker}: the host by which others dial this node. */
  readonly name?: string;
  /** Measures the dial time-out and the linger time; default the machine's. */
  readonly clock?: Clock;
  /** How long an orderly close waits for the other side to take what was sent, milliseconds; default 5,000. */
  readonly linger?: number;
}

const PROTOCOL = 'threads';

/**
 * Frames between threads of one process, over `MessagePort`. Large frames are moved and not copied, and those of one turn of the event loop
 * are one message. A node's host is the name that its port was made for, whatever host it is told to listen on.
 * @throws FoundationError `invalid-option`; `conflict` when the name is taken
 */
export function threads(init: ThreadsInit): Transport {
  checkKeys('threads', init, ['port', 'broker', 'name', 'clock', 'linger']);
  const { port, broker, name, clock = systemClock, linger = DEFAULT_LINGER } = init;
  if (typeof linger !== 'number' || !(linger >= 0)) throw invalidOption('linger', linger, 'milliseconds, from 0');
  if ((port === undefined) === (broker === undefined) || (broker === undefined) !== (name === undefined)) {
    throw new FoundationError(
      'invalid-option',
      "threads() needs either 'port', which ThreadBroker.connect() made, or 'broker' and 'name'.",
    );
  }
  return new ThreadTransport(port ?? (broker as ThreadBroker).connect(name as string), clock, linger);
}

interface Request {
  readonly resolve: (message: BrokerMessage) => void;
  readonly reject: (error: FoundationError) => void;
}

class ThreadTransport implements Transport {
  readonly protocol = PROTOCOL;
  readonly local = true;
  readonly #port: MessagePort;
  readonly #clock: Clock;
  readonly #linger: number;
  readonly #requests = new Map<number, Request>();
  readonly #listeners = new Map<number, ListenOptions>();
  readonly #welcome: Promise<string>;
  #resolveWelcome: (name: string) => void = () => {};
  #closed = false;
  #ids = 0;

  constructor(port: MessagePort, clock: Clock, linger: number) {
    this.#port = port;
    this.#clock = clock;
    this.#linger = linger;
    this.#welcome = new Promise(resolve => {
      this.#resolveWelcome = resolve;
    });
    port.on('message', (message: BrokerMessage) => this.#onMessage(message));
    port.on('close', () => this.#onClose());
    this.#keepAlive();
  }

  async listen(options: ListenOptions): Promise<Listener> {
    const answer = await this.#request(id => ({ type: 'listen', id, port: options.port }));
    if (answer.type !== 'listening') throw this.#unexpected();
    const { port } = answer;
    this.#listeners.set(port, options);
    this.#keepAlive();
    const address: Address = { protocol: PROTOCOL, host: await this.#welcome, port };
    return { address, close: () => this.#unlisten(port) };
  }

  dial(to: Address, options: DialOptions): Promise<Connection> {
    return attemptDial(to, options, this.#clock, attempt => {
      let over = false;
      let channel: MessagePort | undefined;
      const answered = (answer: BrokerMessage): void => {
        if (answer.type !== 'dialled') return;
        const { channel: opened } = answer;
        channel = opened;
        if (over) {
          opened.close();
          return;
        }
        const onClose = (): void =>
          attempt.fail('noconnection', 'the thread has ended, or does not take the connection');
        opened.once('close', onClose);
        opened.once('message', (message: ChannelMessage) => {
          if (message.type !== 'accept') return;
          opened.off('close', onClose);
          const connection = this.#connection(opened, to, options.maxFrameBytes);
          connection.start(options.open(connection));
          attempt.done(connection);
        });
      };
      this.#request(id => ({ type: 'dial', id, host: to.host, port: to.port })).then(
        answered,
        (error: FoundationError) => attempt.fail(error.code, error.message, error),
      );
      return () => {
        over = true;
        channel?.close();
      };
    });
  }

  async #unlisten(port: number): Promise<void> {
    if (!this.#listeners.delete(port)) return;
    try {
      await this.#request(id => ({ type: 'unlisten', id, port }));
    } catch (error) {
      // The broker has gone, and the listener with it.
      if (!this.#closed) throw error;
    }
  }

  #connection(port: MessagePort, remote: Address, maxFrameBytes: number): ThreadConnection {
    return new ThreadConnection({ port, remote, clock: this.#clock, linger: this.#linger, maxFrameBytes });
  }

  #request(make: (id: number) => BrokerRequest): Promise<BrokerMessage> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(gone());
        return;
      }
      const id = ++this.#ids;
      const timer = this.#clock.setTimeout(() => {
        this.#requests.delete(id);
        this.#keepAlive();
        reject(
          new FoundationError('timeout', `the broker of the threads did not answer within ${DEFAULT_DIAL_TIMEOUT} ms`),
        );
      }, DEFAULT_DIAL_TIMEOUT);
      this.#requests.set(id, {
        resolve: message => {
          timer.cancel();
          resolve(message);
        },
        reject: error => {
          timer.cancel();
          reject(error);
        },
      });
      this.#keepAlive();
      this.#port.postMessage(make(id));
    });
  }

  #onMessage(message: BrokerMessage): void {
    if (message.type === 'welcome') {
      this.#resolveWelcome(message.name);
    } else if (message.type === 'incoming') {
      this.#onIncoming(message);
    } else {
      const request = this.#requests.get(message.id);
      this.#requests.delete(message.id);
      this.#keepAlive();
      if (message.type === 'failed') request?.reject(new FoundationError(message.code, message.why));
      else request?.resolve(message);
    }
  }

  #onIncoming({ port, from, channel }: Extract<BrokerMessage, { type: 'incoming' }>): void {
    const options = this.#listeners.get(port);
    if (options === undefined) {
      channel.close();
      return;
    }
    const connection = this.#connection(channel, { protocol: PROTOCOL, host: from, port: 0 }, options.maxFrameBytes);
    channel.postMessage({ type: 'accept' } satisfies ChannelMessage);
    connection.start(options.accept(connection));
  }

  #onClose(): void {
    this.#closed = true;
    for (const request of this.#requests.values()) request.reject(gone());
    this.#requests.clear();
    this.#listeners.clear();
  }

  /** As a socket does, a listener or a question under way keeps the thread alive; an idle transport does not. */
  #keepAlive(): void {
    if (this.#listeners.size > 0 || this.#requests.size > 0) this.#port.ref();
    else this.#port.unref();
  }

  #unexpected(): FoundationError {
    return new FoundationError('protocol', 'The broker of the threads answered something else than it was asked.');
  }
}

function gone(): FoundationError {
  return new FoundationError('noconnection', 'the broker of the threads has gone');
}
