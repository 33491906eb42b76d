import type { Bench, Contender, Metric } from '../bench.js';
import { startPair, type Task, tasks } from './pair.js';
import { startThreads } from './threads.js';

type Seat = Omit<Contender, 'start' | 'name'> & { readonly side: string };

const tcpSeats: readonly Seat[] = [
  { side: 'foundation', kind: 'ours' },
  { side: 'net and msgpackr', kind: 'floor' },
  { side: 'moleculer', kind: 'peer', share: 0.1 },
  { side: 'socket.io', kind: 'peer', share: 0.2 },
];
/** Without moleculer: as it comes its messages are JSON, which knows no binary values. */
const mibSeats: readonly Seat[] = tcpSeats.filter(seat => seat.side !== 'moleculer');
const wsSeats: readonly Seat[] = [
  { side: 'foundation, ws', kind: 'ours' },
  { side: 'ws and msgpackr', kind: 'floor' },
  { side: 'socket.io', kind: 'peer', share: 0.2 },
];

function remote(title: string, metric: Metric, task: Task, size: Bench['size'], seats: readonly Seat[]): Bench {
  const contenders = seats.map(
    ({ side, ...seat }): Contender => ({ ...seat, name: side, start: () => startPair(metric.id, side, task) }),
  );
  return { id: metric.id, group: 'remote', title: `${title}, two processes`, metrics: [metric], size, contenders };
}

const calls = { unit: 'calls/s', higherIsBetter: true } as const;
const messages = { unit: 'messages/s', higherIsBetter: true } as const;
const bytes = { unit: 'GB/s', higherIsBetter: true } as const;

export const remoteBenches: readonly Bench[] = [
  remote(
    'Call, one after another, 64 bytes',
    { id: 'remote.call.seq', ...calls, goal: { floor: 0.85, peer: 1.1 } },
    tasks.callSequence,
    { full: 15_000, smoke: 3_000 },
    tcpSeats.map(seat => ({ ...seat, share: 1 })),
  ),
  remote(
    'Call, 100 in flight, 64 bytes',
    { id: 'remote.call.100', ...calls, goal: { floor: 0.6, peer: 3.4 } },
    tasks.callHundred,
    { full: 200_000 },
    tcpSeats,
  ),
  remote(
    'Cast one way, 64 bytes',
    { id: 'remote.cast', ...messages, goal: { floor: 0.5, peer: 5 } },
    tasks.cast,
    { full: 1_000_000 },
    tcpSeats,
  ),
  remote(
    'Calls with 1 MiB of binary, 4 in flight',
    { id: 'remote.mib', ...bytes, goal: { floor: 0.8, peer: 2.5 } },
    tasks.mib,
    { full: 1_000 },
    mibSeats,
  ),
  remote(
    'Cast one way over ws, 64 bytes',
    { id: 'ws.cast', ...messages, goal: { floor: 0.9 } },
    tasks.cast,
    { full: 1_000_000 },
    wsSeats,
  ),
  remote(
    'Calls with 1 MiB of binary over ws, 4 in flight',
    { id: 'ws.mib', ...bytes, goal: { floor: 0.9 } },
    tasks.mib,
    { full: 400 },
    wsSeats,
  ),
  {
    id: 'threads.cast',
    group: 'remote',
    title: 'Cast one way between worker threads, 64 bytes',
    metrics: [{ id: 'threads.cast', ...messages, goal: { floor: 0.5, peer: 2 } }],
    size: { full: 1_000_000 },
    contenders: [
      { name: 'foundation', kind: 'ours', start: () => startThreads('threads.cast', 'foundation') },
      { name: 'MessagePort, batches of 64', kind: 'floor', start: () => startThreads('threads.cast', 'batches') },
      {
        name: 'MessagePort, each by itself',
        kind: 'peer',
        share: 0.2,
        start: () => startThreads('threads.cast', 'single'),
      },
    ],
  },
];
