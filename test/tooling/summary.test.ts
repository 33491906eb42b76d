import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'summary-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The lines printed for a report (none when undefined) and the steps that failed. */
function lines(report: object | undefined, ...failedSteps: readonly string[]): readonly string[] {
  const path = join(folder, 'report.json');
  rmSync(path, { force: true });
  if (report !== undefined) writeFileSync(path, JSON.stringify(report));
  const tool = join(import.meta.dirname, 'summary.ts');
  const child = spawnSync(process.execPath, ['--import', 'tsx', tool, path, ...failedSteps], { encoding: 'utf8' });
  return child.stdout.trimEnd().split('\n');
}

const good = { success: true, numPassedTests: 7, numFailedTests: 0, numPendingTests: 0, testResults: [] };

it('counts what passed', () => {
  expect(lines(good)).toEqual(['7 passed, 0 failed']);
});

it('counts what failed', () => {
  expect(lines({ ...good, success: false, numFailedTests: 2 }, 'test')).toEqual(['7 passed, 2 failed']);
});

it('names what was skipped before the closing line', () => {
  expect(lines({ ...good, numPendingTests: 3 })).toEqual(['3 skipped', '7 passed, 0 failed']);
});

it('counts a test file that could not be loaded', () => {
  const broken = { status: 'failed', assertionResults: [] };
  expect(lines({ ...good, success: false, testResults: [broken] }, 'test')).toEqual(['7 passed, 1 failed']);
});

it('never reports no failure when the run failed, though the report says success', () => {
  expect(lines(good, 'test')).toEqual(['7 passed, 1 failed']);
});

it('counts another step that failed', () => {
  expect(lines(good, 'sim')).toEqual(['7 passed, 1 failed']);
  expect(lines(undefined, 'check')).toEqual(['0 passed, 1 failed']);
  expect(lines(undefined, 'test')).toEqual(['0 passed, 1 failed']);
});
