/** Length of a text that is sent, bytes. */
const textBytes = 64;
export const text: string = 'x'.repeat(textBytes);
export const mib: Uint8Array = new Uint8Array(1024 * 1024).fill(1);

/** The other process tells how many casts it has handled each time it has handled so many. */
export const toldEach = 10_000;

/** What the other process does: the same, whatever carries the messages. */
export class Work {
  #casts = 0;

  /** Answers a call with the length of what it brings. */
  answer(payload: string | Uint8Array): number {
    return payload.length;
  }

  /** Handles a cast; true when the sender is to be told. */
  take(_payload: string): boolean {
    this.#casts += 1;
    return this.#casts % toldEach === 0;
  }
}

/** A way to the other process. */
export interface Link {
  call(payload: string | Uint8Array): Promise<unknown>;
  cast(payload: string): void;
  close?(): Promise<void> | void;
}

/** How two operating-system processes on one machine reach each other. */
export interface Side {
  /** Begins to serve; where others can reach it, as JSON. */
  serve(): Promise<string>;
  /** @param told - to be called for each {@link toldEach} casts that the other process has handled */
  dial(where: string, told: () => void): Promise<Link>;
}

/** By name; each imports what it needs when it is asked for. */
export const sides: Readonly<Record<string, () => Promise<Side>>> = {
  foundation: async () => (await import('./foundation.js')).overTcp,
  'foundation, ws': async () => (await import('./foundation.js')).overWs,
  'net and msgpackr': async () => (await import('./net.js')).net,
  'ws and msgpackr': async () => (await import('./web-socket.js')).webSocket,
  moleculer: async () => (await import('./moleculer.js')).moleculer,
  'socket.io': async () => (await import('./socket-io.js')).socketIo,
};

export async function openSide(name: string): Promise<Side> {
  const open = sides[name];
  if (open === undefined) throw new Error(`No side '${name}'; there are: ${Object.keys(sides).join(', ')}.`);
  return await open();
}
