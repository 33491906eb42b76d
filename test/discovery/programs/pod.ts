import { startNode } from 'foundation-ts';

/** As a user writes it: the rest is what stands around a pod. */
const node = await startNode({ cluster: true });
const tell = (): void => {
  const visible = node.cluster.visible().map(member => member.name);
  console.log(JSON.stringify({ address: node.address, visible }));
};
tell();
for await (const _ of node.membership()) tell();
