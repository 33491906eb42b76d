import type { Socket } from 'node:net';

/** What `ws` listens to on a socket. */
const EVENTS = ['data', 'end', 'close', 'error'] as const;

/** The listeners that a socket has before `ws` adds its own. */
export class ListenersBefore {
  readonly #socket: Socket;
  readonly #listeners: ReadonlySet<unknown>;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#listeners = new Set(EVENTS.flatMap(event => socket.rawListeners(event)));
  }

  /** Takes away those that came since: in the turn in which the WebSocket opened, `ws` has read nothing then. */
  removeOthers(): void {
    for (const event of EVENTS) {
      for (const listener of this.#socket.rawListeners(event)) {
        if (!this.#listeners.has(listener)) this.#socket.off(event, listener as () => void);
      }
    }
  }
}
