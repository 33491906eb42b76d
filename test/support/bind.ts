import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { debianMissing } from './debian.js';

/** Why BIND is not to be had, or undefined. */
export const bindMissing = (): string | undefined => debianMissing({ named: 'bind9', nsupdate: 'bind9-dnsutils' });

const path = `${process.env.PATH}:/usr/sbin:/sbin`;
const zoneText = `$TTL 1
@ IN SOA ns.shop.test. root.shop.test. 1 60 60 60 1
@ IN NS ns
ns IN A 127.0.0.1
`;

/** A TCP port of loopback that is free now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/**
 * BIND on loopback: the zone `shop.test`, which `nsupdate` changes, with a TTL of one second, also for what it lacks; and the zone
 * `broken.test`, which can't be loaded and gives SERVFAIL.
 */
export class Bind {
  readonly port: number;
  readonly #folder = mkdtempSync(join(tmpdir(), 'bind-'));
  #process: ChildProcess | undefined;

  private constructor(port: number) {
    this.port = port;
    writeFileSync(join(this.#folder, 'shop.zone'), zoneText);
    writeFileSync(
      join(this.#folder, 'named.conf'),
      `options {
  directory "${this.#folder}"; pid-file none; session-keyfile "${this.#folder}/session.key"; lock-file none;
  listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; };
  recursion no; dnssec-validation no; notify no;
};
controls {};
zone "shop.test" { type primary; file "shop.zone"; allow-update { 127.0.0.1; }; };
zone "broken.test" { type primary; file "missing.zone"; };
`,
    );
  }

  static async start(): Promise<Bind> {
    for (let attempt = 1; ; attempt++) {
      const bind = new Bind(await freePort());
      try {
        await bind.run();
        return bind;
      } catch (error) {
        await bind.dispose();
        if (attempt === 3) throw error;
      }
    }
  }

  get servers(): readonly string[] {
    return [`127.0.0.1:${this.port}`];
  }

  /** Starts `named` unless it runs, and waits until it answers. */
  async run(): Promise<void> {
    if (this.#process !== undefined) return;
    const argv = ['-g', '-n', '1', '-c', join(this.#folder, 'named.conf')];
    const child = spawn('named', argv, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, PATH: path } });
    this.#process = child;
    let output = '';
    await new Promise<void>((resolve, reject) => {
      const ended = (): void => reject(new Error(`named did not start:\n${output}`));
      const timer = setTimeout(ended, 10_000);
      child.on('error', reject);
      child.on('exit', ended);
      child.stderr?.on('data', (data: Buffer) => {
        output += data.toString();
        if (!/all zones loaded.*running/s.test(output)) return;
        clearTimeout(timer);
        child.off('exit', ended);
        resolve();
      });
    });
    if (/could not listen|address in use/i.test(output)) throw new Error(`named does not listen:\n${output}`);
  }

  /** Changes the zone: lines such as `update add a.shop.test 1 A 10.0.0.1`, all at once. */
  update(...lines: readonly string[]): void {
    const input = [`server 127.0.0.1 ${this.port}`, 'zone shop.test', ...lines, 'send', ''].join('\n');
    const { status, stderr, error } = spawnSync('nsupdate', ['-t', '5'], { input, encoding: 'utf8', timeout: 10_000 });
    if (status !== 0) throw error ?? new Error(`nsupdate failed: ${stderr}`);
  }

  /** Ends `named`. */
  async stop(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise(resolve => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
  }

  async dispose(): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
