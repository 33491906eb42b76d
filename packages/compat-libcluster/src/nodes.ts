import { isIPv6 } from 'node:net';
import { type Address, parseAddress, type Telemetry } from '@foundation-ts/core';
import { NODE_PORT } from './defaults.js';
import { hostOf, hostPort } from './erlang-name.js';

/** What of a node is used here: a `FoundationNode` and a `ClusterNode` have it. */
export interface ConnectingNode {
  readonly name: string;
  readonly system: { readonly telemetry: Telemetry; readonly clock: { now(): number } };
  members(): readonly { readonly name: string; readonly reachable: boolean; readonly address?: Address | undefined }[];
  connect(address: Address): Promise<{ readonly name: string }>;
  disconnect(member: string): Promise<void>;
}

/** What `connect_nodes` and `disconnect_nodes` give in libcluster: those that failed, each with the reason. */
export type NodesResult =
  | { readonly ok: true }
  | { readonly error: readonly (readonly [node: string, reason: string])[] };

/** `Node.list()`: the names of the other nodes that this one is connected with. */
export function listNodes(node: ConnectingNode): readonly string[] {
  return node
    .members()
    .filter(({ name, reachable }) => reachable && name !== node.name)
    .map(({ name }) => name);
}

/**
 * `Cluster.Strategy.connect_nodes`: connects with those that are not connected. Emits `libcluster.connect_node.ok` and `….error`.
 * @param nodes - names of members, Erlang's names (`name@host`), or addresses
 * @param options.port - where a `name@host` listens; default 4370
 */
export async function connectNodes(
  node: ConnectingNode,
  topology: string,
  nodes: readonly string[],
  options: { readonly port?: number } = {},
): Promise<NodesResult> {
  const connected = new Set(listNodes(node));
  const failed: [string, string][] = [];
  for (const name of new Set(nodes)) {
    if (connected.has(name) || name === node.name) continue;
    const { clock, telemetry } = node.system;
    const began = clock.now();
    try {
      const { name: member } = await node.connect(addressOf(node, name, options.port ?? NODE_PORT));
      telemetry.emit('libcluster.connect_node.ok', { duration: clock.now() - began }, { node: member, topology });
    } catch (error) {
      telemetry.emit('libcluster.connect_node.error', {}, { node: name, topology, reason: 'unreachable' });
      failed.push([name, (error as Error).message]);
    }
  }
  return failed.length === 0 ? { ok: true } : { error: failed };
}

/**
 * `Cluster.Strategy.disconnect_nodes`: ends the connections with those that are connected. Whom discovery still names is connected again.
 * Emits `libcluster.disconnect_node.ok` and `….error`.
 */
export async function disconnectNodes(
  node: ConnectingNode,
  topology: string,
  nodes: readonly string[],
): Promise<NodesResult> {
  const connected = new Set(listNodes(node));
  const failed: [string, string][] = [];
  for (const name of nodes) {
    if (!connected.has(name)) continue;
    const { clock, telemetry } = node.system;
    const began = clock.now();
    try {
      await node.disconnect(name);
      telemetry.emit('libcluster.disconnect_node.ok', { duration: clock.now() - began }, { node: name, topology });
    } catch (error) {
      const reason = (error as Error).message;
      telemetry.emit('libcluster.disconnect_node.error', {}, { node: name, topology, reason });
      failed.push([name, reason]);
    }
  }
  return failed.length === 0 ? { ok: true } : { error: failed };
}

/** @throws FoundationError `invalid-option` */
function addressOf(node: ConnectingNode, name: string, port: number): Address {
  const known = node.members().find(member => member.name === name)?.address;
  if (known !== undefined) return known;
  const host = hostOf(name);
  return parseAddress(/:\d+$/.test(host) && !isIPv6(host) ? host : hostPort(host, port));
}
