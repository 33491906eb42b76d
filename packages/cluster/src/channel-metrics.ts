import { type ChannelStats, ROUND_TRIP_BOUNDS, type RoundTrips } from '@foundation-ts/transport';

/** What the channel to one member has done, all its connections together, over all sessions with that life of the member. */
export interface ChannelMetrics extends Omit<ChannelStats, 'index'> {
  readonly member: string;
  /** Connections that stand; 0: the member is not connected. */
  readonly connections: number;
}

/** Sums up: counters and amounts; of utilisations the highest counts. */
export function sumUp(
  member: string,
  channel: string,
  stats: readonly ChannelStats[],
  past?: ChannelMetrics,
): ChannelMetrics {
  const sum = (field: Counter): number => stats.reduce((total, each) => total + each[field], past?.[field] ?? 0);
  const present = (field: Amount): number => stats.reduce((total, each) => total + each[field], 0);
  return {
    member,
    channel,
    connections: stats.length,
    messagesSent: sum('messagesSent'),
    bytesSent: sum('bytesSent'),
    messagesReceived: sum('messagesReceived'),
    bytesReceived: sum('bytesReceived'),
    refused: sum('refused'),
    dropped: sum('dropped'),
    retransmitted: sum('retransmitted'),
    duplicates: sum('duplicates'),
    errors: sum('errors'),
    queuedBytes: present('queuedBytes'),
    queuedMessages: present('queuedMessages'),
    unacknowledged: present('unacknowledged'),
    credit: present('credit'),
    window: present('window'),
    utilisation: stats.reduce((most, each) => Math.max(most, each.utilisation), 0),
    roundTrips: merge([...stats.map(each => each.roundTrips), ...(past === undefined ? [] : [past.roundTrips])]),
  };
}

type Counter =
  | 'messagesSent'
  | 'bytesSent'
  | 'messagesReceived'
  | 'bytesReceived'
  | 'refused'
  | 'dropped'
  | 'retransmitted'
  | 'duplicates'
  | 'errors';
type Amount = 'queuedBytes' | 'queuedMessages' | 'unacknowledged' | 'credit' | 'window';

function merge(all: readonly RoundTrips[]): RoundTrips {
  const minima = all.flatMap(({ minimum }) => (minimum === undefined ? [] : [minimum]));
  return {
    count: all.reduce((total, { count }) => total + count, 0),
    minimum: minima.length === 0 ? undefined : Math.min(...minima),
    last: all.find(({ last }) => last !== undefined)?.last,
    buckets: Array.from({ length: ROUND_TRIP_BOUNDS.length + 1 }, (_, index) =>
      all.reduce((total, { buckets }) => total + (buckets[index] ?? 0), 0),
    ),
  };
}
