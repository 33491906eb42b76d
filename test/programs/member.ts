import { actor, child, startNode } from 'foundation-ts';
import type { Answer, Command } from '../support/member.js';

/** Counts what it is told, once per id; keeps its count when it is handed over. */
const Tally = actor({
  name: 'tally',
  init: (_id: string) => ({ applied: new Set<string>(), resumed: 0 }),
  calls: {
    add: (s, id: string) => {
      s.applied.add(id);
      return s.applied.size;
    },
    report: s => ({ pid: process.pid, size: s.applied.size, resumed: s.resumed }),
    applied: s => [...s.applied],
  },
  casts: {
    note: (s, id: string) => {
      s.applied.add(id);
    },
  },
  handOff: s => ({ applied: [...s.applied], resumed: s.resumed }),
  resume: handed => ({ applied: new Set(handed.applied), resumed: handed.resumed + 1 }),
});

const [name, clusterId] = process.argv.slice(2) as [string, string];
const node = await startNode({ name, clusterId, cluster: true, definitions: [Tally], log: 'warn' });
const tallies = await node.distributedSupervisor('tallies');
const events: string[] = [];
void (async () => {
  for await (const event of node.membership()) events.push(`${event.type} ${event.member.name}`);
})();

async function run(command: Command): Promise<unknown> {
  switch (command.do) {
    case 'members':
      return node.members().map(member => ({ name: member.name, reachable: member.reachable, status: member.status }));
    case 'events':
      return events;
    case 'start':
      return (await tallies.startChild(child(Tally(command.id), { id: command.id }))).pid.node;
    case 'children':
      return tallies.children().map(entry => ({ id: entry.id, node: entry.node }));
    case 'local':
      return [...node.system.processes()].filter(entry => entry.program.name === 'tally').length;
    case 'names':
      return command.ids.filter(id => node.registry.whereis(Tally, id) !== undefined);
    case 'add':
      return node.via(Tally, command.id).call('add', command.entry, { timeout: command.timeout ?? 5_000 });
    case 'note':
      node.via(Tally, command.id).cast('note', command.entry);
      return undefined;
    case 'report':
      return node.via(Tally, command.id).call('report');
    case 'applied':
      return node.via(Tally, command.id).call('applied');
  }
}

process.on('message', (message: { readonly id: number; readonly command: Command }) => {
  const answer = (given: Omit<Answer, 'id'>): void => {
    process.send?.({ id: message.id, ...given });
  };
  run(message.command).then(
    value => answer({ value }),
    error => answer({ error: { message: (error as Error).message, code: (error as { code?: string }).code } }),
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.({ ready: true });
