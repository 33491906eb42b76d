import type { Bench, Contender, Goal } from '../bench.js';
import { type Scenario, startLoad } from './load.js';

/** A contender's wire: `[name, kind, wire]`. */
type Seat = readonly [name: string, kind: Contender['kind'], wire: string];

interface HeadOfLine extends Omit<Scenario, 'metric' | 'wire'> {
  readonly id: string;
  readonly title: string;
  readonly smoke?: number;
  /** Of the ping's p99, ms, and of the bulk, GB/s. */
  readonly goal: readonly [p99: Goal, bulk: Goal];
  readonly seats: readonly Seat[];
}

/** Milliseconds of a round. */
const duration = 2_500;
/** What a link of 1 Gbit/s carries, bytes a second. */
const gigabit = 125_000_000;

function headOfLine({ id, title, smoke, goal, seats, ...scenario }: HeadOfLine): Bench {
  return {
    id,
    group: 'hol',
    title: `64-byte ping beside 8 MiB messages, ${title}, two processes`,
    metrics: [
      { id, unit: 'ms, p99', higherIsBetter: false, goal: goal[0] },
      { id: `${id}.median`, unit: 'ms, median', higherIsBetter: false },
      { id: `${id}.idle`, unit: 'ms, p99 without bulk', higherIsBetter: false },
      { id: `${id}.bulk`, unit: 'GB/s', higherIsBetter: true, goal: goal[1] },
    ],
    size: { full: duration, ...(smoke === undefined ? {} : { smoke }) },
    contenders: seats.map(([name, kind, wire]) => ({
      name,
      kind,
      start: () => startLoad({ metric: id, wire, ...scenario }),
    })),
  };
}

const tcpSeats: readonly Seat[] = [
  ['foundation', 'ours', 'foundation'],
  ['net, own connections', 'floor', 'own'],
  ['net, one connection', 'reference', 'shared'],
  ['http2, one session', 'reference', 'http2'],
  ['socket.io', 'peer', 'socket.io'],
];

export const holBenches: readonly Bench[] = [
  headOfLine({
    id: 'hol.tcp',
    title: 'ping on control, 1 stream on data',
    smoke: 1_200,
    streams: 1,
    goal: [{ value: 2.5 }, { value: 1.5 }],
    seats: tcpSeats,
  }),
  headOfLine({
    id: 'hol.tcp4',
    title: 'ping on control, 4 streams on data',
    streams: 4,
    goal: [{ value: 2.5 }, { value: 1.5 }],
    seats: tcpSeats,
  }),
  headOfLine({
    id: 'hol.ws',
    title: 'ping on control, 1 stream on data, over ws',
    streams: 1,
    goal: [{ value: 4 }, { value: 0.4 }],
    seats: [
      ['foundation', 'ours', 'foundation, ws'],
      ['ws, own connections', 'floor', 'ws'],
      ['socket.io', 'peer', 'socket.io'],
    ],
  }),
  headOfLine({
    id: 'hol.gbit',
    title: 'ping on control, 1 stream on data, over 1 Gbit/s',
    streams: 1,
    bytesPerSecond: gigabit,
    goal: [{ value: 2 }, { value: (0.95 * gigabit) / 1e9 }],
    seats: [
      ['foundation', 'ours', 'foundation'],
      ['net, own connections', 'floor', 'own'],
      ['net, one connection', 'reference', 'shared'],
      ['socket.io', 'peer', 'socket.io'],
    ],
  }),
  headOfLine({
    id: 'hol.same',
    title: 'ping and 1 stream on one channel',
    streams: 1,
    goal: [{ value: 6 }, { value: 1 }],
    seats: [
      ['foundation', 'ours', 'foundation, same channel'],
      ['net, one connection', 'floor', 'shared'],
      ['socket.io', 'peer', 'socket.io'],
    ],
  }),
];
