import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { debianMissing } from './debian.js';

/** What becomes of each packet on its way, in either direction. */
export interface Impairment {
  /** Percent. */
  readonly loss: number;
  /** Percent. */
  readonly duplication: number;
  /** Milliseconds, and how much more or less it may be; packets overtake each other. */
  readonly delay: number;
  readonly jitter: number;
}

/** @returns why this machine can't have such a network, or undefined */
export function lossyNetworkMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can make network namespaces';
  const missing = debianMissing({ ip: 'iproute2', vde_switch: 'vde2', wirefilter: 'vde2' });
  if (missing !== undefined) return missing;
  const probe = `found-probe-${process.pid}`;
  const made = spawnSync('ip', ['netns', 'add', probe], { encoding: 'utf8' });
  spawnSync('ip', ['netns', 'del', probe]);
  return made.status === 0 ? undefined : `no network namespaces: ${made.stderr.trim()}`;
}

/**
 * Hosts in network namespaces of their own, each at a switch of its own; between the switches `wirefilter` loses, delays,
 * duplicates and reorders packets. (The kernel's `netem` is not everywhere.)
 */
export class LossyNetwork implements AsyncDisposable {
  readonly hosts: readonly { readonly namespace: string; readonly address: string }[];
  readonly #folder = mkdtempSync(join(tmpdir(), 'lossy-'));
  readonly #prefix = `lossy${process.pid}`;
  #filters: string[] = [];

  private constructor(count: number) {
    this.hosts = Array.from({ length: count }, (_, index) => ({
      namespace: `${this.#prefix}-${index}`,
      address: `10.99.0.${index + 1}`,
    }));
  }

  /** @param count - of hosts; the first one's switch is the middle of a star */
  static async start(count: number, impairment: Impairment): Promise<LossyNetwork> {
    const network = new LossyNetwork(count);
    try {
      network.#build();
      await network.impair(impairment);
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
    return network;
  }

  #build(): void {
    for (const [index, { namespace, address }] of this.hosts.entries()) {
      run('ip', 'netns', 'add', namespace);
      const within = ['ip', 'netns', 'exec', namespace] as const;
      const files = ['-sock', this.#file(`switch-${index}`), '-pidfile', this.#file(`switch-${index}.pid`)];
      run(...within, 'vde_switch', '-tap', 'link0', ...files, '-daemon');
      run(...within, 'ip', 'link', 'set', 'lo', 'up');
      run(...within, 'ip', 'addr', 'add', `${address}/24`, 'dev', 'link0');
      run(...within, 'ip', 'link', 'set', 'link0', 'up');
    }
  }

  /** Changes what becomes of packets from now on. */
  async impair({ loss, duplication, delay, jitter }: Impairment): Promise<void> {
    this.#stopFilters();
    for (let index = 1; index < this.hosts.length; index++) {
      const pid = this.#file(`filter-${index}.pid`);
      const plugs = `${this.#file('switch-0')}:${this.#file(`switch-${index}`)}`;
      const faults = ['-l', `${loss}`, '-D', `${duplication}`, '-d', `${delay}+${jitter}`, '-N'];
      run('wirefilter', '-v', plugs, ...faults, '--daemon', '--pidfile', pid);
      this.#filters.push(pid);
    }
  }

  /** What runs a program in a host: in front of its command line. */
  prefix(host: number): readonly string[] {
    return ['ip', 'netns', 'exec', this.hosts[host]?.namespace ?? ''];
  }

  #file(name: string): string {
    return join(this.#folder, name);
  }

  #stopFilters(): void {
    for (const file of this.#filters.splice(0)) end(file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopFilters();
    for (const [index, { namespace }] of this.hosts.entries()) {
      end(this.#file(`switch-${index}.pid`));
      spawnSync('ip', ['netns', 'del', namespace]);
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function end(pidFile: string): void {
  try {
    // Not SIGTERM: a switch that is asked to end while its hosts go may stay.
    process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // It never started, or has ended by itself.
    if (code !== 'ENOENT' && code !== 'ESRCH') throw error;
  }
}

function run(command: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr.trim()}`);
}
