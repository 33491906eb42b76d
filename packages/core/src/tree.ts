import type { Pid } from './pid.js';
import type { Process, ProcessStatus } from './process.js';
import { Supervision } from './supervision.js';
import type { ActorSystem } from './system.js';

/** One actor, or child that does not run now, and what is below it. */
export interface TreeNode {
  /** The id of a child; else the local name or, without one, the definition's. */
  readonly id: string;
  /** Undefined while it does not run. */
  readonly pid: Pid | undefined;
  readonly definition: string;
  readonly status: ProcessStatus | 'restarting' | 'stopped';
  /** Children of a supervisor in their order, then other actors that it started with a link. */
  readonly children: readonly TreeNode[];
}

/** A running supervisor, or a whole system. */
export type TreeSource = ActorSystem | { tree(): TreeNode | undefined };

/** All actors of a system, each below the one that started it with a link. */
export function treesOf(system: ActorSystem): TreeNode[] {
  const below = byParent(system);
  return (below.get(0) ?? []).map(root => nodeOf(root, undefined, below));
}

/** One actor and those below it. */
export function treeOf(system: ActorSystem, root: Process): TreeNode {
  return nodeOf(root, undefined, byParent(system));
}

/** Local actors by the number of the live local one that started them; 0: by none. */
function byParent(system: ActorSystem): Map<number, Process[]> {
  const below = new Map<number, Process[]>();
  for (const process of system.processes()) {
    const { parent } = process;
    const key = parent !== undefined && system.process(parent) !== undefined ? parent.id : 0;
    const siblings = below.get(key);
    if (siblings === undefined) below.set(key, [process]);
    else siblings.push(process);
  }
  return below;
}

function nodeOf(process: Process, id: string | undefined, below: Map<number, Process[]>): TreeNode {
  const rest = new Set(below.get(process.pid.id));
  const children: TreeNode[] = [];
  if (process.state instanceof Supervision) {
    for (const { spec, process: child, restarting } of process.state.entries()) {
      if (child?.alive === true) {
        rest.delete(child);
        children.push(nodeOf(child, spec.id, below));
      } else {
        const status = restarting ? 'restarting' : 'stopped';
        children.push({ id: spec.id, pid: undefined, definition: spec.start.definition.name, status, children: [] });
      }
    }
  }
  for (const other of rest) children.push(nodeOf(other, undefined, below));
  const { program, pid, status } = process;
  return { id: id ?? process.names?.[0] ?? program.name, pid, definition: program.name, status, children };
}

/**
 * A tree as text, for people: a line for each child, indented below its supervisor, with its id, pid (`-` when it does not run),
 * definition and status.
 */
export function formatTree(source: TreeSource): string {
  const root = 'tree' in source ? source.tree() : undefined;
  const roots = 'tree' in source ? (root === undefined ? [] : [root]) : treesOf(source);
  const lines: string[] = [];
  const add = (node: TreeNode, indent: string): void => {
    lines.push(`${indent}${node.id} ${node.pid ?? '-'} ${node.definition} ${node.status}`);
    for (const child of node.children) add(child, `${indent}  `);
  };
  for (const node of roots) add(node, '');
  return lines.join('\n');
}
