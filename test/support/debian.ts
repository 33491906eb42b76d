import { spawnSync } from 'node:child_process';

const setup = ['-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::Retries=2'];

/**
 * Makes sure that programs of Debian's packages are there; root installs what is missing.
 * @param tools - each program that is needed, and the package that has it
 * @returns why one is missing and can't be had, or undefined
 */
export function debianMissing(tools: Readonly<Record<string, string>>): string | undefined {
  const missing = (): string[] => Object.keys(tools).filter(tool => !present(tool));
  const wanted = missing();
  if (wanted.length === 0) return undefined;
  const what = `${wanted.join(', ')} not installed`;
  if (process.platform !== 'linux') return `${what}, and this is not Debian`;
  if (process.getuid?.() !== 0) return `${what}, and only root could install them`;
  const packages = [...new Set(wanted.map(tool => tools[tool] as string))];
  const install = ['install', '-y', '-qq', '--no-install-recommends', ...packages];
  // What was installed before may be listed already: the lists are read again only when that fails.
  const failed = apt(install) && (apt(['update', '-qq']) ?? apt(install));
  if (failed) return `${what}, and apt-get failed: ${failed}`;
  return missing().length === 0 ? undefined : `${packages.join(', ')} installed, but still no ${missing().join(', ')}`;
}

function present(tool: string): boolean {
  const path = `${process.env.PATH}:/usr/sbin:/sbin`;
  return spawnSync('sh', ['-c', `command -v ${tool}`], { env: { ...process.env, PATH: path } }).status === 0;
}

/** @returns what went wrong */
function apt(args: readonly string[]): string | undefined {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const { status, stderr, error } = spawnSync('apt-get', [...setup, ...args], { env, encoding: 'utf8' });
  return status === 0 ? undefined : (error?.message ?? stderr.trim());
}
