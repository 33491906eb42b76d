import { describe, expect, test } from 'vitest';
import { type Member, RealCluster } from '../support/member.js';
import { until } from '../support/until.js';

const ids = (count: number): string[] => Array.from({ length: count }, (_, index) => `tally-${index}`);

interface Report {
  readonly pid: number;
  readonly size: number;
  readonly resumed: number;
}

/** Until each id runs exactly once on these members, all of which agree where. Gives where. */
async function settled(
  members: readonly Member[],
  wanted: readonly string[],
  within = 20_000,
): Promise<Map<string, string>> {
  let where = new Map<string, string>();
  let last = '';
  await until(
    async () => {
      const views = await Promise.all(
        members.map(member => member.ask<{ id: string; node: string }[]>({ do: 'children' })),
      );
      const locals = await Promise.all(members.map(member => member.ask<number>({ do: 'local' })));
      const names = await Promise.all(members.map(member => member.ask<string[]>({ do: 'names', ids: wanted })));
      const texts = views.map(view =>
        view
          .map(child => `${child.id}@${child.node}`)
          .sort()
          .join(),
      );
      where = new Map(views[0]?.map(child => [child.id, child.node]));
      last = `views agree: ${new Set(texts).size === 1}, entries: ${views.map(view => view.length)}, local: ${locals}, names: ${names.map(list => list.length)}`;
      return (
        new Set(texts).size === 1 &&
        where.size === wanted.length &&
        locals.reduce((sum, count) => sum + count, 0) === wanted.length &&
        names.every(list => list.length === wanted.length) &&
        [...where.values()].every(node => members.some(member => member.name === node))
      );
    },
    () => `${wanted.length} children to run once each (${last}) ${members.map(member => member.output).join('\n')}`,
    within,
  );
  return where;
}

/** Until every member runs some of the children, and none has moved for a second. */
async function spread(members: readonly Member[], wanted: readonly string[]): Promise<Map<string, string>> {
  let where = new Map<string, string>();
  let last = '';
  let since = 0;
  await until(
    async () => {
      where = await settled(members, wanted);
      const text = [...where].sort().join();
      if (text !== last) since = performance.now();
      last = text;
      return new Set(where.values()).size === members.length && performance.now() - since > 1_000;
    },
    () => `the children to spread over all members: ${last}`,
    30_000,
  );
  return where;
}

describe('a cluster of real processes', () => {
  test('SIGKILL: the survivors notice at once and run every child, once', async () => {
    await using cluster = new RealCluster();
    const [a, b, c] = (await cluster.start('a', 'b', 'c')) as [Member, Member, Member];
    await cluster.formed([a, b, c]);
    const wanted = ids(30);
    await Promise.all(wanted.map(id => a.ask({ do: 'start', id })));
    const before = await spread([a, b, c], wanted);
    const lost = [...before.values()].filter(node => node === 'c').length;
    expect(lost).toBeGreaterThan(0);
    c.signal('SIGKILL');
    const detected = await until(
      async () => (await a.ask<string[]>({ do: 'events' })).includes('down c'),
      () => 'a to see c down',
    );
    const after = await settled([a, b], wanted);
    expect([...after.values()].every(node => node === 'a' || node === 'b')).toBe(true);
    console.log(`SIGKILL seen as down after ${detected.toFixed(0)} ms; ${lost} children restarted elsewhere`);
    const kept = [...before].filter(([, node]) => node !== 'c');
    for (const [id, node] of kept) expect(after.get(id)).toBe(node);
  });

  test('SIGKILL right after startChild has resolved loses nothing', async () => {
    await using cluster = new RealCluster();
    const [a, b, c] = (await cluster.start('a', 'b', 'c')) as [Member, Member, Member];
    await cluster.formed([a, b, c]);
    const wanted: string[] = [];
    const results = ids(12).map(async id => {
      const node = await a.ask<string>({ do: 'start', id });
      wanted.push(id);
      return node;
    });
    for (const result of results) {
      if ((await result) !== 'c') continue;
      c.signal('SIGKILL');
      break;
    }
    await Promise.allSettled(results);
    await settled([a, b], wanted);
  });

  test('SIGTERM: the children move with their state, and the process ends with code 0', async () => {
    await using cluster = new RealCluster();
    const [a, b, c] = (await cluster.start('a', 'b', 'c')) as [Member, Member, Member];
    await cluster.formed([a, b, c]);
    const wanted = ids(24);
    await Promise.all(wanted.map(id => a.ask({ do: 'start', id })));
    const before = await spread([a, b, c], wanted);
    for (const id of wanted) for (let n = 0; n < 3; n++) await a.ask({ do: 'add', id, entry: `${id} ${n}` });
    const moved = new Map<string, number>();
    for (const id of wanted) moved.set(id, (await a.ask<Report>({ do: 'report', id })).resumed);
    b.signal('SIGTERM');
    expect(await b.exited).toBe(0);
    await settled([a, c], wanted);
    for (const id of wanted) {
      const report = await a.ask<Report>({ do: 'report', id });
      expect(report.size, id).toBe(3);
      expect(report.resumed - (moved.get(id) ?? 0), id).toBe(before.get(id) === 'b' ? 1 : 0);
    }
    const events = await a.ask<string[]>({ do: 'events' });
    expect(events).toContain('leaving b');
    expect(events).toContain('left b');
    expect(events).not.toContain('down b');
  });

  test('a join and a leave under load lose no acknowledged call', async () => {
    await using cluster = new RealCluster();
    const [a, b] = (await cluster.start('a', 'b')) as [Member, Member];
    await cluster.formed([a, b]);
    const wanted = ids(12);
    await Promise.all(wanted.map(id => a.ask({ do: 'start', id })));
    await settled([a, b], wanted);
    let stop = false;
    const acknowledged = new Map<string, string[]>(wanted.map(id => [id, []]));
    const refusals = new Map<string, number>();
    const load = wanted.map(async id => {
      for (let n = 0; !stop; n++) {
        const entry = `${id} ${n}`;
        try {
          await a.ask({ do: 'add', id, entry });
          acknowledged.get(id)?.push(entry);
        } catch (error) {
          const code = String((error as { code?: string }).code);
          refusals.set(code, (refusals.get(code) ?? 0) + 1);
        }
      }
    });
    const [c] = (await cluster.start('c')) as [Member];
    await cluster.formed([a, b, c]);
    await until(
      async () => (await a.ask<{ node: string }[]>({ do: 'children' })).some(child => child.node === 'c'),
      () => 'children to move to c',
    );
    b.signal('SIGTERM');
    expect(await b.exited).toBe(0);
    stop = true;
    await Promise.all(load);
    await settled([a, c], wanted);
    let total = 0;
    for (const id of wanted) {
      const applied = new Set(await a.ask<string[]>({ do: 'applied', id }));
      const entries = acknowledged.get(id) as string[];
      total += entries.length;
      expect(
        entries.filter(entry => !applied.has(entry)),
        id,
      ).toEqual([]);
    }
    console.log(
      `${total} calls acknowledged through a join and a leave; not acknowledged: ${JSON.stringify([...refusals])}`,
    );
    expect(total).toBeGreaterThan(100);
    for (const code of refusals.keys())
      expect(['noproc', 'moved', 'noconnection', 'unknown-outcome', 'not-delivered']).toContain(code);
  });

  test('SIGSTOP and SIGCONT: the stopped node is unreachable, not down; when it is back each child runs once', async () => {
    await using cluster = new RealCluster();
    const [a, b, c] = (await cluster.start('a', 'b', 'c')) as [Member, Member, Member];
    await cluster.formed([a, b, c]);
    const wanted = ids(18);
    await Promise.all(wanted.map(id => a.ask({ do: 'start', id })));
    await spread([a, b, c], wanted);
    c.signal('SIGSTOP');
    await until(
      async () => (await a.ask<string[]>({ do: 'events' })).includes('unreachable c'),
      () => 'a to see c unreachable',
      20_000,
    );
    await settled([a, b], wanted, 30_000);
    expect(await a.ask<string[]>({ do: 'events' })).not.toContain('down c');
    c.signal('SIGCONT');
    await cluster.formed([a, b, c], 30_000);
    await settled([a, b, c], wanted, 30_000);
  });
});
