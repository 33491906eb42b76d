/** A node behind a bad link: `lossy-node.ts <name> <host> <port> <address of another, …>`. Registers names, and tells what it sees. */
import { actor, startNode, staticList } from 'foundation-ts';
import { serve } from '../../hostile/program.js';
import { SECRET } from '../../hostile/secret.js';

const [name, host, port, ...others] = process.argv.slice(2) as [string, string, string, ...string[]];
const Named = actor({ name: 'named', init: (_name: string) => ({ heard: 0 }), calls: { hear: s => ++s.heard } });
const node = await startNode({
  ...{ name, host, port: Number(port), clusterId: 'lossy', secret: SECRET, joinTimeout: 0 },
  discovery: [staticList(others)],
  definitions: [Named],
  log: 'silent',
});
const events: string[] = [];
node.cluster.onMembership(({ type, member }) => events.push(`${type} ${member.name}`));
let registered = 0;
let failed = 0;

serve({
  members: () => node.members().filter(member => member.reachable && member.status === 'up').length,
  /** Registers a name each `every` ms until told otherwise. */
  register: async ({ count, every }: { readonly count: number; readonly every: number }) => {
    for (let number = 0; number < count; number++) {
      const ref = await node.spawn(Named(`${number}`));
      await node.registry.register(`${name}-${number}`, ref, { ack: 'local' }).then(
        () => registered++,
        () => failed++,
      );
      await new Promise(resolve => setTimeout(resolve, every));
    }
  },
  seen: () => ({ events, registered, failed }),
  /** Where each name is, by this node's view. */
  names: (all: readonly string[]) => all.map(one => String(node.registry.whereis(Named, one)?.pid ?? 'nobody')),
  /** Asks every named actor, wherever it is. @returns how many answered */
  ask: async (all: readonly string[]) => {
    const answers = await Promise.allSettled(all.map(one => node.via(Named, one).call('hear')));
    return answers.filter(({ status }) => status === 'fulfilled').length;
  },
});
