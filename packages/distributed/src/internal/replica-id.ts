/** The id under which an incarnation writes to replicas: `name#incarnation`, the same on every node. */
export function replicaId(node: string, incarnation: number): string {
  return `${node}#${incarnation}`;
}

/** The parts of a {@link replicaId}; undefined when it is none. */
export function parseReplicaId(id: string): { readonly node: string; readonly incarnation: number } | undefined {
  const at = id.lastIndexOf('#');
  const incarnation = Number(id.slice(at + 1));
  return at > 0 && Number.isSafeInteger(incarnation) ? { node: id.slice(0, at), incarnation } : undefined;
}
