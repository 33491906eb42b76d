/** Something of a libcluster configuration that is not the same here. */
export interface Finding {
  /** Undefined: of the whole node. */
  readonly topology: string | undefined;
  /** The key, under libcluster's name. */
  readonly key: string;
  /**
   * `'changed'`: mapped, and works somewhat differently. `'ignored'`: has no counterpart, or needs none.
   * `'left-out'`: the topology does nothing here, as it does nothing in libcluster. `'unknown'`: there is no such strategy.
   */
  readonly kind: 'changed' | 'ignored' | 'left-out' | 'unknown';
  /** Why, and what to do. */
  readonly why: string;
}

/** One line a finding. */
export function formatFindings(findings: readonly Finding[]): string {
  return findings.map(formatFinding).join('\n');
}

/** `topology pods, kubernetes_master: changed: …` */
export function formatFinding({ topology, key, kind, why }: Finding): string {
  const where = topology === undefined ? key : `topology ${topology}, ${key}`;
  return `${where}: ${kind === 'left-out' ? 'left out' : kind}: ${why}`;
}
