import type { Bench, Contender } from '../bench.js';
import { FloorActor } from './floor.js';
import { type Call, callRepeatedly } from './work.js';

async function floor(): Promise<Call> {
  const state = { count: 0 };
  const actor = new FloorActor<(count: number) => void>(reply => reply(state.count));
  return () => new Promise<number>(resolve => actor.send(resolve));
}

async function nact(): Promise<Call> {
  const { dispatch, query, spawn, start } = await import('nact');
  type Reply = Parameters<typeof dispatch<number>>[0];
  const actor = spawn(
    start(),
    (count: number, from: Reply) => {
      dispatch(from, count);
      return count;
    },
    'counter',
    { initialState: 0 },
  );
  return () => query(actor, (from: Reply) => from, 5_000);
}

async function xstate(): Promise<Call> {
  const { createActor, fromTransition } = await import('xstate');
  type Get = { type: 'get'; reply: (count: number) => void };
  const counter = fromTransition(
    (state: { count: number }, event: Get) => {
      event.reply(state.count);
      return state;
    },
    { count: 0 },
  );
  const actor = createActor(counter).start();
  return () => new Promise<number>(reply => actor.send({ type: 'get', reply }));
}

async function comedy(): Promise<Call> {
  const { default: comedySystem } = await import('comedy');
  const state = { count: 0 };
  const root = await comedySystem.createSystem({ test: true }).rootActor();
  const actor = await root.createChild({ get: () => state.count });
  return () => actor.sendAndReceive('get');
}

async function moleculer(): Promise<Call> {
  const { ServiceBroker } = await import('moleculer');
  const broker = new ServiceBroker({ logger: false, nodeID: 'bench' });
  const state = { count: 0 };
  broker.createService({ name: 'counter', actions: { get: () => state.count } });
  await broker.start();
  return () => broker.call('counter.get');
}

function contender(
  metric: string,
  inFlight: number,
  rest: Omit<Contender, 'start'>,
  open: () => Promise<Call>,
): Contender {
  return {
    ...rest,
    start: async () => {
      const call = await open();
      return { round: size => callRepeatedly(metric, size, inFlight, call) };
    },
  };
}

function peers(metric: string, inFlight: number): readonly Contender[] {
  return [
    contender(metric, inFlight, { name: 'ring and microtask', kind: 'floor' }, floor),
    contender(metric, inFlight, { name: 'nact', kind: 'peer', share: 0.1 }, nact),
    contender(metric, inFlight, { name: 'xstate', kind: 'reference', share: 0.5 }, xstate),
    contender(metric, inFlight, { name: 'comedy', kind: 'peer', share: 0.1 }, comedy),
    contender(metric, inFlight, { name: 'moleculer', kind: 'reference', share: 0.2 }, moleculer),
  ];
}

export const callSequence: Bench = {
  id: 'call.seq',
  group: 'local',
  title: 'Call, one after another',
  metrics: [{ id: 'call.seq', unit: 'calls/s', higherIsBetter: true, goal: { floor: 0.7, peer: 1.5 } }],
  size: { full: 1_000_000, smoke: 200_000 },
  contenders: [
    { name: 'foundation', kind: 'ours', start: async () => await (await import('./foundation/call-seq.js')).start() },
    ...peers('call.seq', 1),
  ],
};

export const callHundred: Bench = {
  id: 'call.100',
  group: 'local',
  title: 'Call, 100 in flight',
  metrics: [{ id: 'call.100', unit: 'calls/s', higherIsBetter: true, goal: { floor: 0.5, peer: 4 } }],
  size: { full: 1_000_000, smoke: 300_000 },
  contenders: [
    { name: 'foundation', kind: 'ours', start: async () => await (await import('./foundation/call-100.js')).start() },
    ...peers('call.100', 100),
  ],
};

async function nactAsync(): Promise<Call> {
  const { dispatch, query, spawn, start } = await import('nact');
  type Reply = Parameters<typeof dispatch<number>>[0];
  const answer = async (count: number, from: Reply) => {
    await undefined;
    dispatch(from, count);
    return count;
  };
  const actor = spawn(start(), answer, 'counter', { initialState: 0 });
  return () => query(actor, (from: Reply) => from, 5_000);
}

/** Runs the handlers of many messages at the same time: it does less than ours. */
async function comedyAsync(): Promise<Call> {
  const { default: comedySystem } = await import('comedy');
  const state = { count: 0 };
  const root = await comedySystem.createSystem({ test: true }).rootActor();
  const actor = await root.createChild({
    get: async () => {
      await undefined;
      return state.count;
    },
  });
  return () => actor.sendAndReceive('get');
}

export const callAsync: Bench = {
  id: 'call.async',
  group: 'local',
  title: 'Call of a handler that awaits once, 100 in flight',
  metrics: [{ id: 'call.async', unit: 'calls/s', higherIsBetter: true, goal: { peer: 1.5 } }],
  size: { full: 500_000 },
  contenders: [
    {
      name: 'foundation',
      kind: 'ours',
      start: async () => await (await import('./foundation/call-async.js')).start(),
    },
    contender('call.async', 100, { name: 'nact', kind: 'peer', share: 0.1 }, nactAsync),
    contender('call.async', 100, { name: 'comedy', kind: 'peer', share: 0.2 }, comedyAsync),
  ],
};
