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
