import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { FoundationError, invalidOption } from '@foundation-ts/core';
import type { BrokerMessage, BrokerRequest } from './messages.js';

const MAX_PORT = 65_535;

interface Client {
  readonly port: MessagePort;
  /** Where it listens. */
  readonly listening: Set<number>;
}

/**
 * Brings the threads of one process together: it hands the two ends of a channel to two nodes that want to talk, which then do so without
 * it. It lives in the thread that starts the others.
 */
export class ThreadBroker {
  readonly #clients = new Map<string, Client>();
  #closed = false;

  /**
   * Makes the port by which a node reaches the others: give it to a thread with `workerData` and `transferList`, and there to
   * `threads({ port })`.
   * @param name - the host by which others dial the node
   * @throws FoundationError `conflict` when the name is taken, `stopped`
   */
  connect(name: string): MessagePort {
    if (typeof name !== 'string' || name === '') throw invalidOption('name', name, "a name, such as the node's");
    if (this.#closed) throw new FoundationError('stopped', `The broker was closed; '${name}' can't be connected.`);
    if (this.#clients.has(name)) {
      throw new FoundationError(
        'conflict',
        `A thread named '${name}' is connected already. Give each its own name, or disconnect('${name}') the one that has ended.`,
      );
    }
    const { port1: own, port2: theirs } = new MessageChannel();
    const client: Client = { port: own, listening: new Set() };
    this.#clients.set(name, client);
    own.on('message', (request: BrokerRequest) => this.#onRequest(name, client, request));
    own.on('close', () => {
      if (this.#clients.get(name) === client) this.#clients.delete(name);
    });
    // Whoever waits for an answer keeps the process alive, not the broker.
    own.unref();
    tell(own, { type: 'welcome', name });
    return theirs;
  }

  /** Forgets a thread; its connections are its own. */
  disconnect(name: string): void {
    const client = this.#clients.get(name);
    this.#clients.delete(name);
    client?.port.close();
  }

  /** Forgets all threads, and connects no others. Connections that stand are left alone. */
  close(): void {
    this.#closed = true;
    for (const name of [...this.#clients.keys()]) this.disconnect(name);
  }

  #onRequest(name: string, client: Client, request: BrokerRequest): void {
    const { id, port } = request;
    switch (request.type) {
      case 'listen':
        this.#listen(name, client, id, port);
        break;
      case 'unlisten':
        client.listening.delete(port);
        tell(client.port, { type: 'unlistened', id, port });
        break;
      case 'dial':
        this.#dial(name, client, request);
        break;
    }
  }

  #listen(name: string, { port: answer, listening }: Client, id: number, wanted: number): void {
    let port = wanted;
    if (port === 0) for (port = 1; listening.has(port); ) port++;
    if (listening.has(port) || port > MAX_PORT) {
      const why = `Can't listen on threads://${name}:${port}: the port is taken. Choose another port, or 0 for a free one.`;
      tell(answer, { type: 'failed', id, code: 'address-in-use', why });
      return;
    }
    listening.add(port);
    tell(answer, { type: 'listening', id, port });
  }

  #dial(from: string, client: Client, { id, host, port }: Extract<BrokerRequest, { type: 'dial' }>): void {
    const target = this.#clients.get(host);
    if (target?.listening.has(port) !== true) {
      const why = target === undefined ? `no thread is named '${host}'` : 'nothing listens there';
      tell(client.port, { type: 'failed', id, code: 'refused', why });
      return;
    }
    const { port1, port2 } = new MessageChannel();
    tell(target.port, { type: 'incoming', port, from, channel: port1 }, port1);
    tell(client.port, { type: 'dialled', id, channel: port2 }, port2);
  }
}

function tell(port: MessagePort, message: BrokerMessage, channel?: MessagePort): void {
  port.postMessage(message, channel === undefined ? [] : [channel]);
}
