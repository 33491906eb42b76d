import { invalidOption } from '@foundation-ts/core';
import {
  DOWN_RETENTION_MS,
  MAX_CLAIMANTS,
  MAX_INCARNATION_LEAD_MS,
  MAX_MEMBERS,
  MAX_METADATA_DEPTH,
  MAX_METADATA_SIZE,
  MAX_TOMBSTONES,
  MAX_VERSION_LEAP,
  TOMBSTONE_TTL_MS,
} from './defaults.js';
import { hashText } from './internal/hash.js';
import { Tombstones } from './internal/tombstones.js';
import { isDead, type Member, nextIncarnation, statusRank } from './member.js';
import { canonicalText, findFault, type GossipRecord, type SummaryRow } from './member-wire.js';

/** A row that changed; `before` is undefined for a new member. A change of incarnation is one change. */
export interface MemberChange {
  readonly before: Member | undefined;
  readonly after: Member;
}

/** What {@link MembershipTable} is made from. */
export interface MembershipInit {
  /** This node's own record. */
  readonly self: Member;
  /** Members known by hearsay; those that introduce themselves are always admitted. Default 20,000. */
  readonly maxMembers?: number;
  /** Dead incarnations remembered. Default 10,000. */
  readonly maxTombstones?: number;
  /** How long they are remembered, in milliseconds. Default 24 h. */
  readonly tombstoneTtl?: number;
  /** How long a `down` member is listed before it is `removed`, in milliseconds. Default 60,000. */
  readonly downRetention?: number;
}

/** What a merge needs to know beside the records. */
export interface MergeContext {
  /** Monotonic milliseconds. */
  readonly now: number;
  /** Milliseconds since the Unix epoch. */
  readonly wallTime: number;
  /**
   * Whether we ourselves have reason to believe that this incarnation is gone: false while we see it as reachable.
   * @param claimants - the members that have claimed its death to us so far, the present one included
   */
  corroborated(name: string, incarnation: number, claimants: readonly string[]): boolean;
}

/** A claim that a member is dead which was not applied. */
export interface DoubtedClaim {
  readonly record: GossipRecord;
  readonly claimants: readonly string[];
}

/** What a merge did. */
export interface MergeResult {
  readonly changes: readonly MemberChange[];
  /** Third parties' claims that a member is gone which we see as reachable; not applied. */
  readonly doubted: readonly DoubtedClaim[];
  /**
   * A record about this node that can't be outbid within this incarnation: `down`, `removed`, a `leaving` that we never
   * announced, or a newer incarnation of our name. The node stops what it holds and calls {@link MembershipTable.rejoin}.
   */
  readonly selfDowned: GossipRecord | undefined;
  /** Whether stale facts about this node were refuted by raising our version: gossip our record. */
  readonly refuted: boolean;
  /** Names of which the sender knows less than we do (a leaver that it takes for alive): answer it with `pick(stale)`. */
  readonly stale: readonly string[];
  /** Implausible records that were skipped, and why (16 at most; the rest is only counted). */
  readonly refused: readonly { readonly name: string; readonly why: RefusalReason }[];
  readonly refusedCount: number;
}

/** Why a well-formed record was not even considered. */
export type RefusalReason = 'incarnation-in-the-future' | 'version-leap' | 'too-many-members';

/** Equal digests mean equal tables; three numbers, whatever the size. */
export type MembershipDigest = readonly [count: number, hashA: number, hashB: number];

interface Entry {
  readonly member: Member;
  readonly text: string;
  readonly hashA: number;
  readonly hashB: number;
  /** When this table first held the incarnation as down. */
  readonly downSince: number;
}

/**
 * The replicated membership as pure data. Records of one name are totally ordered (incarnation, then status, then
 * version), and a merge keeps the greatest, so tables that have seen the same records are equal in whatever order they
 * came. `down` and `removed` are final per incarnation; removed incarnations are remembered for a day, so that stale
 * gossip doesn't resurrect a leaver.
 *
 * Anti-entropy: send {@link digest}; when it differs from the receiver's, the receiver answers with its
 * {@link summary}, and {@link diff} says what to send and what to ask for; what a merge finds stale is answered at
 * once. A first contact gets the {@link snapshot}, dead incarnations included.
 */
export class MembershipTable {
  readonly #entries = new Map<string, Entry>();
  readonly #tombstones: Tombstones;
  readonly #claims = new Map<string, { incarnation: number; claimants: string[] }>();
  readonly #maxMembers: number;
  readonly #downRetention: number;
  #self: Member;
  #hashA = 0;
  #hashB = 0;

  /** @throws FoundationError `invalid-option` when the own record is malformed */
  constructor(init: MembershipInit) {
    const fault = findFault(init.self);
    if (fault === 'metadata') {
      throw invalidOption(
        fault,
        init.self.metadata,
        `plain JSON values, ${MAX_METADATA_SIZE} characters as JSON and ${MAX_METADATA_DEPTH} levels deep at most`,
      );
    }
    if (fault !== undefined)
      throw invalidOption('self', init.self, `a well-formed member record (its ${fault} is not)`);
    this.#maxMembers = init.maxMembers ?? MAX_MEMBERS;
    this.#tombstones = new Tombstones(init.maxTombstones ?? MAX_TOMBSTONES, init.tombstoneTtl ?? TOMBSTONE_TTL_MS);
    this.#downRetention = init.downRetention ?? DOWN_RETENTION_MS;
    this.#self = init.self;
    this.#put(init.self, 0);
  }

  /** This node's own record. */
  get self(): Member {
    return this.#self;
  }

  /** How many members are listed, this node included. */
  get size(): number {
    return this.#entries.size;
  }

  /** How many dead incarnations are remembered. */
  get tombstones(): number {
    return this.#tombstones.size;
  }

  /** The record of a name; never a `removed` one (except our own). */
  get(name: string): Member | undefined {
    return this.#entries.get(name)?.member;
  }

  /** All records, in no particular order. */
  members(): Member[] {
    return Array.from(this.#entries.values(), entry => entry.member);
  }

  /** Whether an incarnation is known to be gone: down, removed, or replaced by a newer one. */
  isGone(name: string, incarnation: number): boolean {
    const known = this.#entries.get(name)?.member;
    if (known !== undefined) {
      return known.incarnation > incarnation || (known.incarnation === incarnation && isDead(known.status));
    }
    return this.#tombstones.covers(name, incarnation);
  }

  /**
   * Changes the own record and raises its version.
   * @throws FoundationError `invalid-option` when the result is malformed or its status would go back
   */
  updateSelf(
    patch: Partial<Pick<Member, 'address' | 'status' | 'roles' | 'zone' | 'metadata'>>,
    now: number,
  ): MemberChange {
    const before = this.#self;
    const after: Member = { ...before, ...patch, version: before.version + 1 };
    const fault = findFault(after);
    if (fault !== undefined) throw invalidOption('self', after, `a well-formed member record (its ${fault} is not)`);
    if (statusRank(after.status) < statusRank(before.status)) {
      throw invalidOption('status', after.status, `'${before.status}' or a later status`);
    }
    this.#setSelf(after, now);
    return { before, after };
  }

  /**
   * Starts a new life of this node under a greater incarnation, as `joining`.
   * @param above - an incarnation that the new one must exceed (of {@link MergeResult.selfDowned}); default: the own one
   */
  rejoin(now: number, wallTime: number, above = 0): MemberChange {
    const before = this.#self;
    const incarnation = nextIncarnation(Math.max(before.incarnation, above), wallTime);
    this.#setSelf({ ...before, incarnation, status: 'joining', version: 1 }, now);
    return { before, after: this.#self };
  }

  /**
   * Applies a decision of this node about another member: it is `down`, or it left and is `removed`.
   * @returns the change, or undefined when that incarnation is not listed or was there already
   */
  declare(name: string, incarnation: number, status: 'down' | 'removed', now: number): MemberChange | undefined {
    const before = this.#entries.get(name)?.member;
    if (before === undefined || name === this.#self.name || before.incarnation !== incarnation) return undefined;
    if (statusRank(before.status) >= statusRank(status)) return undefined;
    return this.#apply({ ...before, status }, now, 0);
  }

  /**
   * Takes in records that a peer sent.
   * @param from - the name of the peer, as proven in its handshake
   */
  merge(records: readonly GossipRecord[], from: string, context: MergeContext): MergeResult {
    const changes: MemberChange[] = [];
    const doubted: DoubtedClaim[] = [];
    const refused: { name: string; why: RefusalReason }[] = [];
    let refusedCount = 0;
    let selfDowned: GossipRecord | undefined;
    let refuted = false;
    const stale = new Set<string>();
    for (const record of records) {
      const why = this.#implausible(record, from, context.wallTime);
      if (why !== undefined) {
        refusedCount++;
        if (refused.length < 16) refused.push({ name: record.name, why });
        continue;
      }
      if (record.name === this.#self.name) {
        const verdict = this.#mergeSelf(record, context.now);
        if (verdict === 'refuted') refuted = true;
        if (verdict === 'refuted' || verdict === 'stale') stale.add(record.name);
        if (verdict === 'downed' && record.incarnation >= (selfDowned?.incarnation ?? 0)) selfDowned = record;
        continue;
      }
      const news = this.#news(record, context.now);
      if (news < 0) stale.add(record.name);
      if (news <= 0) continue;
      const claimants = this.#doubts(record, from, context);
      if (claimants !== undefined) {
        doubted.push({ record, claimants });
        continue;
      }
      const change = this.#apply(record, context.now, record.age ?? 0);
      if (change !== undefined) changes.push(change);
    }
    return { changes, doubted, selfDowned, refuted, stale: [...stale], refused, refusedCount };
  }

  /**
   * Lets time pass: members that have been `down` for long become `removed`, and old tombstones are forgotten.
   * @param now - monotonic milliseconds
   */
  prune(now: number): MemberChange[] {
    const changes: MemberChange[] = [];
    for (const { member, downSince } of this.#entries.values()) {
      if (member.status !== 'down' || now - downSince < this.#downRetention || member === this.#self) continue;
      const change = this.#apply({ ...member, status: 'removed' }, now, 0);
      if (change !== undefined) changes.push(change);
    }
    this.#tombstones.prune(now);
    return changes;
  }

  digest(): MembershipDigest {
    return [this.#entries.size, this.#hashA >>> 0, this.#hashB >>> 0];
  }

  /** Whether a digest that a peer sent (anything at all) is that of this table. */
  matches(digest: unknown): boolean {
    const own = this.digest();
    return Array.isArray(digest) && digest.length === own.length && own.every((part, index) => part === digest[index]);
  }

  /** One short row per member. */
  summary(): SummaryRow[] {
    return Array.from(this.#entries.values(), ({ member, hashA }) => ({
      name: member.name,
      incarnation: member.incarnation,
      rank: statusRank(member.status),
      version: member.version,
      hash: hashA,
    }));
  }

  /** Compares with a peer's summary: the records that the peer lacks, and the names whose records we lack. */
  diff(summary: readonly SummaryRow[], now: number): { readonly send: GossipRecord[]; readonly want: string[] } {
    const send: GossipRecord[] = [];
    const want: string[] = [];
    const seen = new Set<string>();
    for (const row of summary) {
      if (seen.has(row.name)) continue;
      seen.add(row.name);
      const tombstone = this.#tombstones.record(row.name, now);
      if (tombstone !== undefined && tombstone.incarnation >= row.incarnation) {
        send.push(tombstone);
        continue;
      }
      const entry = this.#entries.get(row.name);
      const order = entry === undefined ? -1 : compareRow(entry, row);
      if (order >= 0 && entry !== undefined && entry.hashA !== row.hash) send.push(entry.member);
      if (order <= 0 && entry?.hashA !== row.hash) want.push(row.name);
    }
    for (const [name, entry] of this.#entries) if (!seen.has(name)) send.push(entry.member);
    return { send, want };
  }

  /** The records of the given names, dead ones included; unknown names are left out. */
  pick(names: readonly string[], now: number): GossipRecord[] {
    const picked: GossipRecord[] = [];
    for (const name of new Set(names)) {
      const record = this.#entries.get(name)?.member ?? this.#tombstones.record(name, now);
      if (record !== undefined) picked.push(record);
    }
    return picked;
  }

  /** Everything, dead incarnations included: what a new member gets. */
  snapshot(now: number): GossipRecord[] {
    return [...this.members(), ...this.#tombstones.records(now)];
  }

  #implausible(record: GossipRecord, from: string, wallTime: number): RefusalReason | undefined {
    const { name, incarnation, version } = record;
    if (!(incarnation <= wallTime + MAX_INCARNATION_LEAD_MS) || !Number.isSafeInteger(incarnation)) {
      return 'incarnation-in-the-future';
    }
    const known = this.#entries.get(name)?.member;
    const knownVersion = known?.incarnation === incarnation ? known.version : 0;
    if (!(version <= knownVersion + MAX_VERSION_LEAP) || !Number.isSafeInteger(version + 1)) return 'version-leap';
    const isNew = known === undefined && record.status !== 'removed';
    if (isNew && from !== name && this.#entries.size >= this.#maxMembers) return 'too-many-members';
    return undefined;
  }

  #mergeSelf(record: GossipRecord, now: number): 'refuted' | 'downed' | 'stale' | undefined {
    const self = this.#self;
    if (record.incarnation > self.incarnation) return 'downed';
    if (record.incarnation < self.incarnation) return 'stale';
    const rank = statusRank(record.status);
    if (rank > statusRank(self.status) && rank >= statusRank('leaving')) return 'downed';
    if (isDead(self.status) || canonicalText(record) === this.#entries.get(self.name)?.text) return undefined;
    if (record.version < self.version) return 'stale';
    this.#setSelf({ ...self, version: record.version + 1 }, now);
    return 'refuted';
  }

  /** Positive when the record says more than we know, negative when it says less. */
  #news(record: GossipRecord, now: number): number {
    if (this.#tombstones.covers(record.name, record.incarnation)) {
      if (record.status !== 'removed') return -1;
      this.#tombstones.backdate(record.name, record.incarnation, now - (record.age ?? 0));
      return 0;
    }
    const entry = this.#entries.get(record.name);
    return entry === undefined ? 1 : compare(record, entry);
  }

  /** The claimants when the record would end the life of a member that we have no reason to believe dead. */
  #doubts(record: GossipRecord, from: string, context: MergeContext): readonly string[] | undefined {
    const known = this.#entries.get(record.name)?.member;
    if (known === undefined || isDead(known.status) || from === record.name) return undefined;
    // That it leaves is the beginning of its end: it tells that itself whom it is connected with.
    const ends = statusRank(record.status) >= statusRank('leaving') && record.status !== known.status;
    if (record.incarnation === known.incarnation && !ends) return undefined;
    let claim = this.#claims.get(record.name);
    if (claim === undefined || claim.incarnation !== known.incarnation) {
      claim = { incarnation: known.incarnation, claimants: [] };
      this.#claims.set(record.name, claim);
    }
    if (!claim.claimants.includes(from) && claim.claimants.length < MAX_CLAIMANTS) claim.claimants.push(from);
    const claimants = [...claim.claimants];
    return context.corroborated(known.name, known.incarnation, claimants) ? undefined : claimants;
  }

  #apply(record: GossipRecord, now: number, age: number): MemberChange | undefined {
    const before = this.#entries.get(record.name)?.member;
    const { age: _, ...after } = record;
    this.#claims.delete(record.name);
    if (after.status !== 'removed') {
      this.#tombstones.delete(after.name);
      this.#put(after, now);
      return { before, after };
    }
    this.#drop(after.name);
    this.#tombstones.bury(after.name, after.incarnation, now - age, before !== undefined);
    return before === undefined ? undefined : { before, after };
  }

  #setSelf(member: Member, now: number): void {
    this.#self = member;
    this.#put(member, now);
  }

  #put(member: Member, now: number): void {
    const downSince = this.#entries.get(member.name);
    const wasDown = downSince?.member.status === 'down' && downSince.member.incarnation === member.incarnation;
    this.#drop(member.name);
    const text = canonicalText(member);
    const entry: Entry = {
      member,
      text,
      hashA: hashText(text),
      hashB: hashText(text, 0x9e3779b9),
      downSince: wasDown ? downSince.downSince : now,
    };
    this.#entries.set(member.name, entry);
    this.#hashA ^= entry.hashA;
    this.#hashB ^= entry.hashB;
  }

  #drop(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#hashA ^= entry.hashA;
    this.#hashB ^= entry.hashB;
    this.#entries.delete(name);
  }
}

/** Positive when the record wins over what is held; the text settles what an honest owner never lets happen. */
function compare(record: Member, held: Entry): number {
  const { member } = held;
  if (record.incarnation !== member.incarnation) return record.incarnation - member.incarnation;
  const ranks = statusRank(record.status) - statusRank(member.status);
  if (ranks !== 0) return ranks;
  if (record.version !== member.version) return record.version - member.version;
  const text = canonicalText(record);
  return text === held.text ? 0 : text > held.text ? 1 : -1;
}

function compareRow({ member }: Entry, row: SummaryRow): number {
  return (
    member.incarnation - row.incarnation || statusRank(member.status) - row.rank || member.version - row.version || 0
  );
}
