import type { Lane } from './lane.js';

export type Send = (lane: Lane, bytes: Uint8Array) => void;

/** Called for each whole message, with the way back to its sender. */
export type Receive = (lane: Lane, bytes: Uint8Array, reply: Send) => void;

export interface Dialled {
  readonly send: Send;
  close(): Promise<void> | void;
}

/** How bytes travel between two operating-system processes on one machine. */
export interface Wire {
  /** Listens on a free loopback port, and returns it. */
  listen(receive: Receive): Promise<number>;
  dial(port: number, receive: Receive): Promise<Dialled>;
}

/** By name; each imports what it needs when it is asked for. */
export const wires: Readonly<Record<string, () => Promise<Wire>>> = {
  shared: async () => (await import('./raw.js')).shared,
  own: async () => (await import('./raw.js')).own,
  foundation: async () => (await import('./foundation.js')).overTcp,
  'foundation, ws': async () => (await import('./foundation.js')).overWs,
  'foundation, same channel': async () => (await import('./foundation.js')).oneChannel,
  ws: async () => (await import('./web-socket.js')).webSocket,
  http2: async () => (await import('./http2.js')).http2,
  'socket.io': async () => (await import('./socket-io.js')).socketIo,
};

export async function openWire(name: string): Promise<Wire> {
  const open = wires[name];
  if (open === undefined) throw new Error(`No wire '${name}'; there are: ${Object.keys(wires).join(', ')}.`);
  return await open();
}
