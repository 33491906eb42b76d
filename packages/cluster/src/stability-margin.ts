import { DOWNING_MARGIN_MS, INSTABILITY_FACTOR, RELAPSE_FACTOR } from './defaults.js';
import type { Decision, DowningStrategy } from './downing.js';
import { isDead } from './member.js';
import type { ReachabilityView } from './reachability.js';

interface Link {
  readonly observer: string;
  readonly subject: string;
  /** When it first broke in this spell, or was last decided on. */
  since: number;
  broken: boolean;
  /** Whether it broke again after it had healed. */
  relapsed: boolean;
  /** When it healed last. */
  healedAt: number;
  /** Whether its subject was heard of while it was broken. */
  heard: boolean;
}

/**
 * Lets a {@link DowningStrategy} decide only when the picture is stable: once nothing has changed for the margin. A
 * split that heals sooner has no consequence. Doubt is bounded: a link that has been broken, or breaking and healing,
 * since 1.75 × the margin ago is decided on then, with all links that are flapping counted as broken; a link that holds
 * for 0.75 × the margin is no longer flapping. The same picture is decided on once.
 */
export class StabilityMargin {
  readonly strategy: DowningStrategy;
  readonly #margin: number;
  readonly #links = new Map<string, Link>();
  #picture = '';
  #stableSince = 0;
  #decided: string | undefined;
  #last: Decision | undefined;
  #nextAt: number | undefined;

  /** @param init.margin - milliseconds; default 10,000 */
  constructor(init: { readonly strategy: DowningStrategy; readonly margin?: number }) {
    this.strategy = init.strategy;
    this.#margin = init.margin ?? DOWNING_MARGIN_MS;
  }

  /** When {@link update} must be called again, at the latest, even if nothing changes; undefined when all is well. */
  get nextAt(): number | undefined {
    return this.#nextAt;
  }

  /** The last decision, for `explain`. */
  get last(): Decision | undefined {
    return this.#last;
  }

  /**
   * Takes in the view; to be called at each change of it, and at {@link nextAt}.
   * @param now - monotonic milliseconds
   * @returns a decision when one is due
   */
  update(view: ReachabilityView, now: number): Decision | undefined {
    this.#track(view, now);
    const broken = [...this.#links.values()].filter(link => link.broken);
    const picture = describe(view, broken);
    if (picture !== this.#picture) {
      this.#picture = picture;
      this.#stableSince = now;
    }
    if (this.#links.size === 0) this.#decided = undefined;
    const decision = this.#decide(view, picture, broken, now);
    if (decision !== undefined) this.#last = decision;
    this.#nextAt = this.#deadline(now);
    return decision;
  }

  #decide(view: ReachabilityView, picture: string, broken: readonly Link[], now: number): Decision | undefined {
    const isStable = broken.length > 0 && now >= this.#stableSince + this.#margin;
    const doubtful = this.#doubtful();
    if (!isStable && !doubtful.some(link => now >= link.since + this.#margin * INSTABILITY_FACTOR)) return undefined;
    const decidedOn = isStable ? picture : describe(view, doubtful);
    if (this.#decided === decidedOn) return undefined;
    this.#decided = decidedOn;
    const decision = this.strategy.decide(withLinks(view, doubtful));
    for (const link of doubtful) {
      link.since = now;
      link.relapsed = false;
    }
    return decision;
  }

  #doubtful(): Link[] {
    return [...this.#links.values()].filter(link => link.broken || link.relapsed);
  }

  #track(view: ReachabilityView, now: number): void {
    const live = new Set(view.members.filter(member => !isDead(member.status)).map(member => member.name));
    const current = new Set<string>();
    for (const [observer, subjects] of view.reports) {
      if (!live.has(observer)) continue;
      for (const subject of subjects) {
        if (!live.has(subject) || subject === observer) continue;
        const key = `${observer}\n${subject}`;
        current.add(key);
        const link = this.#links.get(key);
        const heard = view.heard.has(subject);
        if (link === undefined || (!link.broken && this.#hasHealed(link, now))) {
          this.#links.set(key, { observer, subject, since: now, broken: true, relapsed: false, healedAt: 0, heard });
          continue;
        }
        if (!link.broken) link.relapsed = true;
        link.broken = true;
        link.heard = heard;
      }
    }
    for (const [key, link] of this.#links) {
      if (!live.has(link.observer) || !live.has(link.subject)) {
        this.#links.delete(key);
      } else if (!current.has(key) && link.broken) {
        link.broken = false;
        link.healedAt = now;
      } else if (!link.broken && this.#hasHealed(link, now)) {
        this.#links.delete(key);
      }
    }
  }

  #hasHealed(link: Link, now: number): boolean {
    return now >= link.healedAt + this.#margin * RELAPSE_FACTOR;
  }

  #deadline(now: number): number | undefined {
    let next: number | undefined;
    const consider = (at: number): void => {
      if (at > now && (next === undefined || at < next)) next = at;
    };
    for (const link of this.#links.values()) {
      if (link.broken) consider(this.#stableSince + this.#margin);
      else consider(link.healedAt + this.#margin * RELAPSE_FACTOR);
      consider(link.since + this.#margin * INSTABILITY_FACTOR);
    }
    return next;
  }
}

function describe(view: ReachabilityView, links: readonly Link[]): string {
  const members = view.members.map(member => `${member.name}#${member.incarnation}:${member.status}`).sort();
  return JSON.stringify([members, links.map(link => [link.observer, link.subject].join('\n')).sort()]);
}

/** The view with exactly these links broken; of one that holds at the moment, what was so while it was broken counts. */
function withLinks(view: ReachabilityView, links: readonly Link[]): ReachabilityView {
  const reports = new Map<string, Set<string>>();
  for (const observer of view.reports.keys()) reports.set(observer, new Set());
  const broken = new Set(links.filter(link => link.broken).map(link => link.subject));
  const heard = new Set<string>();
  for (const link of links) {
    reports.set(link.observer, (reports.get(link.observer) ?? new Set<string>()).add(link.subject));
    if (broken.has(link.subject) ? view.heard.has(link.subject) : link.heard) heard.add(link.subject);
  }
  return { ...view, reports, heard };
}
