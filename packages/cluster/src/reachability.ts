import { isDead, type Member } from './member.js';

/** What downing needs to know of a member. */
export type ViewMember = Pick<Member, 'name' | 'incarnation' | 'status' | 'roles'>;

/** One side's view: the agreed members, and who is reported as unreachable by whom. */
export interface ReachabilityView {
  /** The node that decides. */
  readonly self: string;
  /** The agreed membership, this node included; never shortened because someone is unreachable. */
  readonly members: readonly ViewMember[];
  /** Observer → whom it sees as unreachable, as far as this node knows; its own observations included. */
  readonly reports: ReadonlyMap<string, ReadonlySet<string>>;
  /**
   * Of those who are reported as unreachable: the members that this node has nevertheless heard of since the report,
   * directly or through others.
   */
  readonly heard: ReadonlySet<string>;
}

/** What follows from a {@link ReachabilityView}; names are sorted. */
export interface Assessment {
  readonly self: string;
  /** The set that majorities are counted of: the agreed members that are `up` or `leaving`. */
  readonly counted: readonly string[];
  /** All members that are not dead, `joining` included. */
  readonly live: readonly string[];
  /** Members beyond the split: reported as unreachable, and nothing was heard of them. */
  readonly unreachable: readonly string[];
  /** Members that only some can reach, this node perhaps among them. */
  readonly partial: readonly string[];
  /** Broken links among the members on this side. */
  readonly brokenLinks: readonly (readonly [observer: string, subject: string])[];
}

/** Sorts out who is beyond a split and who is only partly reachable; reports of members beyond the split don't count. */
export function assess(view: ReachabilityView): Assessment {
  const live = new Set(view.members.filter(member => !isDead(member.status)).map(member => member.name));
  const heard = (name: string): boolean => name === view.self || view.heard.has(name);
  const observers = [...view.reports.keys()].filter(name => live.has(name));
  let subjects = subjectsOf(view, observers.filter(heard), live);
  let credible = observers;
  for (let pass = 0; pass < 3; pass++) {
    credible = observers.filter(name => heard(name) || !subjects.has(name));
    subjects = subjectsOf(view, credible, live);
  }
  const unreachable = new Set([...subjects].filter(name => !heard(name)));
  const brokenLinks: [string, string][] = [];
  for (const observer of credible) {
    if (unreachable.has(observer)) continue;
    for (const subject of view.reports.get(observer) ?? []) {
      if (live.has(subject) && subject !== observer && !unreachable.has(subject)) brokenLinks.push([observer, subject]);
    }
  }
  return {
    self: view.self,
    counted: view.members
      .filter(member => member.status === 'up' || member.status === 'leaving')
      .map(member => member.name)
      .sort(),
    live: [...live].sort(),
    unreachable: [...unreachable].sort(),
    partial: [...subjects].filter(heard).sort(),
    brokenLinks: brokenLinks.sort((left, right) => compareText(left.join('\n'), right.join('\n'))),
  };
}

/**
 * Whom to give up so that no broken link is left among the rest: again and again the member with the most broken links,
 * of equals the one with the highest name. The same on every node that has the same reports.
 * @param spared - a member that is never given up, because the other end of its links is
 */
export function cutBrokenLinks(links: Assessment['brokenLinks'], spared?: string): string[] {
  const cut: string[] = [];
  let left = links;
  while (left.length > 0) {
    const neighbours = new Map<string, Set<string>>();
    for (const [from, to] of left) {
      neighbours.set(from, (neighbours.get(from) ?? new Set()).add(to));
      neighbours.set(to, (neighbours.get(to) ?? new Set()).add(from));
    }
    let worst = '';
    let most = 0;
    for (const [name, others] of neighbours) {
      if (name === spared || others.size < most || (others.size === most && name < worst)) continue;
      worst = name;
      most = others.size;
    }
    cut.push(worst);
    left = left.filter(([from, to]) => from !== worst && to !== worst);
  }
  return cut.sort();
}

function subjectsOf(view: ReachabilityView, observers: readonly string[], live: ReadonlySet<string>): Set<string> {
  const subjects = new Set<string>();
  for (const observer of observers) {
    for (const subject of view.reports.get(observer) ?? []) {
      if (live.has(subject) && subject !== observer) subjects.add(subject);
    }
  }
  return subjects;
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
