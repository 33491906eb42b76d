import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Namespaces } from './netns.js';
import { until } from './until.js';

/** What avahi-browse says of a service that it resolved. */
export interface Resolved {
  readonly name: string;
  readonly host: string;
  readonly address: string;
  readonly port: number;
  /** The TXT record's texts. */
  readonly texts: readonly string[];
}

const bus = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>custom</type>
  <listen>unix:path=SOCKET</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow send_type="method_call"/><allow receive_sender="*"/>
  </policy>
</busconfig>
`;

const daemon = `[server]
host-name=avahi
use-ipv4=yes
use-ipv6=no
enable-dbus=yes
[publish]
publish-hinfo=no
publish-workstation=no
`;

/** An avahi-daemon on a host, with a message bus of its own. */
export class Avahi implements Disposable {
  readonly #hosts: Namespaces;
  readonly #index: number;
  readonly #folder = mkdtempSync(join(tmpdir(), 'foundation-avahi-'));
  readonly #env: NodeJS.ProcessEnv;
  #output = '';

  private constructor(hosts: Namespaces, index: number) {
    this.#hosts = hosts;
    this.#index = index;
    this.#env = { DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${join(this.#folder, 'bus')}` };
  }

  /** Its processes end with the namespaces. */
  static async start(hosts: Namespaces, index: number): Promise<Avahi> {
    const avahi = new Avahi(hosts, index);
    const file = (name: string, text: string): string => {
      const path = join(avahi.#folder, name);
      writeFileSync(path, text);
      return path;
    };
    const busFile = file('bus.conf', bus.replace('SOCKET', join(avahi.#folder, 'bus')));
    const daemonFile = file('avahi.conf', daemon);
    avahi.#start('dbus-daemon', [`--config-file=${busFile}`, '--nofork', '--nopidfile', '--print-address']);
    await until(
      () => avahi.#output.includes('unix:path='),
      () => `the message bus; ${avahi.#output}`,
    );
    // its process file has one place on the machine: the namespace gets a folder of its own there
    const script = `mkdir -p /run/avahi-daemon && mount -t tmpfs tmpfs /run/avahi-daemon && exec avahi-daemon -f ${daemonFile} --no-drop-root --no-chroot --no-rlimits`;
    avahi.#start('sh', ['-c', script]);
    await until(
      () => avahi.#output.includes('Server startup complete'),
      () => `avahi-daemon; ${avahi.#output}`,
    );
    return avahi;
  }

  /** What is under a type now. */
  browse(type: string): readonly Resolved[] {
    // it waits forever for a service that goes away while it resolves it
    const script = `timeout 5 avahi-browse -rptk ${type} || test $? -eq 124`;
    const text = this.#hosts.runToEnd(this.#index, 'sh', ['-c', script], this.#env);
    return text.split('\n').flatMap(line => {
      const [kind, , , name = '', , , host = '', address = '', port, texts = ''] = line.split(';');
      if (kind !== '=') return [];
      const each = [...texts.matchAll(/"([^"]*)"/g)].map(match => match[1] ?? '');
      return [{ name: unescaped(name), host, address, port: Number(port), texts: each }];
    });
  }

  /** The types that are there. */
  types(): string {
    return this.#hosts.runToEnd(this.#index, 'avahi-browse', ['-aptk'], this.#env);
  }

  /** Keeps telling what comes and goes under a type: `+ name`, `- name`. */
  watch(type: string): readonly string[] {
    const events: string[] = [];
    const child = this.#hosts.run(this.#index, 'avahi-browse', ['-pk', type], this.#env);
    if (child.stdout === null) return events;
    createInterface({ input: child.stdout }).on('line', line => {
      const [kind, , , name = ''] = line.split(';');
      events.push(`${kind} ${unescaped(name)}`);
    });
    return events;
  }

  /** Publishes a service until it is called off. */
  publish(name: string, type: string, port: number, texts: readonly string[]): { end(): Promise<void> } {
    const child = this.#start('avahi-publish', ['-s', name, type, String(port), ...texts]);
    return {
      end: async () => {
        const ended = new Promise(resolve => child.once('exit', resolve));
        child.kill('SIGTERM');
        await ended;
      },
    };
  }

  #start(command: string, args: readonly string[]): ReturnType<Namespaces['run']> {
    const child = this.#hosts.run(this.#index, command, args, this.#env);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (data: Buffer) => {
        this.#output += data.toString();
      });
    }
    return child;
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** avahi-browse writes `\032` for a blank. */
const unescaped = (text: string): string =>
  text.replaceAll(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(Number(code)));
