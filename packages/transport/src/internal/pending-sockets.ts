import type { Socket } from 'node:net';
import type { Clock, Timer } from '@foundation-ts/core';
import { DEFAULT_HANDSHAKE_TIMEOUT, DEFAULT_PENDING_CONNECTIONS } from '../defaults.js';

/** Sockets of strangers that have not got as far as sending frames: bounded in number and time. */
export class PendingSockets {
  readonly #clock: Clock;
  readonly #timers = new Map<Socket, Timer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(socket: Socket): void {
    if (this.#timers.size >= DEFAULT_PENDING_CONNECTIONS) {
      const [oldest] = this.#timers.keys();
      oldest?.destroy();
      if (oldest !== undefined) this.remove(oldest);
    }
    this.#timers.set(
      socket,
      this.#clock.setTimeout(() => socket.destroy(), DEFAULT_HANDSHAKE_TIMEOUT, { unref: true }),
    );
    socket.once('close', () => this.remove(socket));
  }

  remove(socket: Socket): void {
    this.#timers.get(socket)?.cancel();
    this.#timers.delete(socket);
  }
}
