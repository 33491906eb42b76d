import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { debianMissing } from './debian.js';

const prefix = 'fnd';

/** Why no network namespaces can be had here, or undefined. */
export function namespacesMissing(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces are of Linux';
  if (process.getuid?.() !== 0) return 'only root can make network namespaces';
  const missing = debianMissing({ ip: 'iproute2' });
  if (missing !== undefined) return missing;
  const name = `${prefix}-${process.pid}-try`;
  try {
    ip('netns', 'add', name);
    ip('-n', name, 'link', 'add', 'br0', 'type', 'bridge');
    return undefined;
  } catch (error) {
    return (error as Error).message;
  } finally {
    spawnSync('ip', ['netns', 'delete', name]);
  }
}

/**
 * Hosts of their own as far as the network is concerned: namespaces, joined by a bridge that carries multicast, with
 * addresses 10.77.0.1, 10.77.0.2 and so on, and nothing else around.
 */
export class Namespaces implements AsyncDisposable {
  readonly #id: string;
  readonly #count: number;
  readonly #children = new Set<ChildProcess>();
  readonly #exiting = (): void => this.#remove();

  /** Needs that {@link namespacesMissing} gives no reason. */
  constructor(count: number) {
    removeStale();
    this.#id = `${prefix}-${process.pid}-${Math.random().toString(36).slice(2, 7)}`;
    this.#count = count;
    process.once('exit', this.#exiting);
    try {
      ip('netns', 'add', this.#switch);
      ip('-n', this.#switch, 'link', 'add', 'br0', 'type', 'bridge', 'mcast_snooping', '0', 'forward_delay', '0');
      ip('-n', this.#switch, 'link', 'set', 'br0', 'up');
      for (let index = 0; index < count; index++) this.#addHost(index);
    } catch (error) {
      this.#remove();
      throw error;
    }
  }

  address(index: number): string {
    return `10.77.0.${index + 1}`;
  }

  /** Pulls the plug of a host, or takes its own interface down; and back. */
  link(index: number, which: 'plug' | 'interface', state: 'up' | 'down'): void {
    if (which === 'plug') ip('-n', this.#switch, 'link', 'set', `port${index}`, state);
    else ip('-n', this.#name(index), 'link', 'set', 'eth0', state);
  }

  /** Runs a program on a host; it is killed at the end. */
  run(index: number, command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.#name(index), command, ...args], {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  /** Runs a program on a host to its end. @returns what it wrote. @throws Error when it fails */
  runToEnd(index: number, command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
    return run('ip', ['netns', 'exec', this.#name(index), command, ...args], { ...process.env, ...env });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = [...this.#children].map(child => new Promise(resolve => child.once('exit', resolve)));
    for (const child of this.#children) child.kill('SIGKILL');
    await Promise.all(ended);
    process.off('exit', this.#exiting);
    this.#remove();
  }

  get #switch(): string {
    return `${this.#id}-switch`;
  }

  #name(index: number): string {
    return `${this.#id}-${index}`;
  }

  #addHost(index: number): void {
    const [name, port] = [this.#name(index), `port${index}`];
    ip('netns', 'add', name);
    ip('-n', name, 'link', 'set', 'lo', 'up');
    ip('-n', this.#switch, 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
    ip('-n', this.#switch, 'link', 'set', port, 'master', 'br0', 'up');
    ip('-n', name, 'address', 'add', `${this.address(index)}/24`, 'broadcast', '10.77.0.255', 'dev', 'eth0');
    ip('-n', name, 'link', 'set', 'eth0', 'up');
  }

  #remove(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    for (let index = 0; index < this.#count; index++) spawnSync('ip', ['netns', 'delete', this.#name(index)]);
    spawnSync('ip', ['netns', 'delete', this.#switch]);
  }
}

/** Removes what runs that were killed left behind. */
function removeStale(): void {
  for (const line of ip('netns', 'list').split('\n')) {
    const name = line.split(' ')[0] ?? '';
    const pid = Number(new RegExp(`^${prefix}-(\\d+)-`).exec(name)?.[1]);
    if (Number.isInteger(pid) && !isRunning(pid)) spawnSync('ip', ['netns', 'delete', name]);
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const ip = (...args: string[]): string => run('ip', args, process.env);

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', env, timeout: 20_000 });
  if (status === 0) return stdout;
  throw new Error(`${command} ${args.join(' ')} failed: ${error?.message ?? stderr.trim()}`);
}
