import type { Bench, Contender } from '../bench.js';
import { startLoad } from './load.js';

function contender(name: string, kind: Contender['kind'], metric: string, wire: string, streams: number): Contender {
  return { name, kind, start: () => startLoad(metric, wire, streams) };
}

function headOfLine(id: string, streams: number, size: Bench['size']): Bench {
  return {
    id,
    group: 'hol',
    title: `64-byte ping on control beside 8 MiB messages on data, ${streams === 1 ? '1 stream' : `${streams} streams`}, two processes`,
    metrics: [
      { id, unit: 'ms, p99', higherIsBetter: false },
      { id: `${id}.median`, unit: 'ms, median', higherIsBetter: false },
      { id: `${id}.idle`, unit: 'ms, p99 without bulk', higherIsBetter: false },
      { id: `${id}.bulk`, unit: 'GB/s', higherIsBetter: true },
    ],
    size,
    contenders: [
      contender('foundation', 'ours', id, 'foundation', streams),
      contender('net, own connections', 'floor', id, 'own', streams),
      contender('net, one connection', 'reference', id, 'shared', streams),
      contender('socket.io', 'peer', id, 'socket.io', streams),
    ],
  };
}

export const holTcp: Bench = headOfLine('hol.tcp', 1, { full: 4_000, smoke: 1_200 });
export const holTcp4: Bench = headOfLine('hol.tcp4', 4, { full: 4_000 });
