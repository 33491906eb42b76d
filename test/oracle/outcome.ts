/** Something that a supervisor's child did. */
export interface TraceEvent {
  /** The instance of the supervisor whose child it is: `id#n`; `top` for the root. */
  readonly group: string;
  /** `end`: the supervisor of this group has ended itself. */
  readonly kind: 'start' | 'fail' | 'stop' | 'end';
  readonly id: string;
  readonly reason: string;
}

/** What one step led to. */
export interface Outcome {
  readonly reply: string;
  readonly events: readonly TraceEvent[];
  /** The children of each live supervisor, as text, in their order. */
  readonly trees: ReadonlyMap<string, readonly string[]>;
}

/** The lines that `oracle.erl` wrote for one step. */
export function parseOutcome(lines: readonly string[]): Outcome {
  let reply = '';
  const events: TraceEvent[] = [];
  const trees = new Map<string, readonly string[]>();
  for (const line of lines) {
    const [what, ...rest] = line.split(' ');
    if (what === 'reply') reply = rest[0] as string;
    else if (what === 'event') {
      const [group, kind, id, reason] = rest as [string, TraceEvent['kind'], string, string];
      events.push({ group, kind, id, reason });
    } else if (what === 'tree') trees.set(rest[0] as string, rest.slice(1));
    else throw new Error(`The oracle wrote '${line}'.`);
  }
  return { reply, events, trees };
}

/**
 * An outcome as lines that are equal when the outcomes mean the same. This is the one place where differences are allowed:
 *
 * - Only the order within one instance of a supervisor counts: what two supervisors do at the same time has none.
 * - Children of a supervisor that was killed fall by their links, in any order; so do, with `simple_one_for_one`, those of one that
 *   stops: what stops in a row is sorted.
 * - `terminate_child` with the pid of a dead child of a dynamic supervisor: OTP says `ok`, Elixir and we `not-found`.
 */
export function normalised({ reply, events, trees }: Outcome, fault: string): string[] {
  const lines = [`reply ${fault === 'terminate_dynamic' && reply === 'not-found' ? 'ok' : reply}`];
  const groups = new Map<string, TraceEvent[]>();
  for (const event of events) {
    const group = groups.get(event.group);
    if (group === undefined) groups.set(event.group, [event]);
    else group.push(event);
  }
  for (const [group, list] of [...groups].sort(byKey)) {
    const dynamic = group.startsWith('d');
    let ended = false;
    let run: string[] = [];
    const flush = (): void => {
      lines.push(...run.sort());
      run = [];
    };
    for (const { kind, id, reason } of list) {
      const line = `${group}: ${kind} ${id} ${reason}`;
      if (kind === 'stop' && (ended || dynamic)) {
        run.push(line);
        continue;
      }
      flush();
      lines.push(line);
      if (kind === 'end') ended = true;
    }
    flush();
  }
  for (const [group, children] of [...trees].sort(byKey)) {
    const inOrder = group.startsWith('d') ? [...children].sort() : children;
    lines.push(`tree ${group}: ${inOrder.join(' ')}`);
  }
  return lines;
}

function byKey([left]: readonly [string, unknown], [right]: readonly [string, unknown]): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
