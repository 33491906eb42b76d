import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** What `test/discovery/programs/cluster-node.ts` is started with. */
export interface ClusterNodeInit {
  readonly name: string;
  readonly clusterId: string;
  readonly host: string;
  readonly strategy: 'gossip' | 'mdns';
  /** Of the strategy. */
  readonly port?: number;
}

/** What `test/discovery/programs/mdns-node.ts` is started with. */
export interface MdnsNodeInit {
  readonly name: string;
  readonly clusterId: string;
  readonly host: string;
  readonly port: number;
}

/** What `test/discovery/programs/hostile-victim.ts` is started with. */
export interface HostileVictimInit {
  readonly name: string;
  readonly clusterId: string;
  readonly gossipPort: number;
  readonly mdnsPort: number;
}

/** What such a victim reports. */
export interface Report {
  readonly members: readonly string[];
  /** Bytes of heap and buffers, after a collection. */
  readonly memory: number;
  readonly rss: number;
  /** Longest that the event loop stood since the last report, ms. */
  readonly lag: number;
  /** Drops, by strategy and reason. */
  readonly counts: Readonly<Record<string, number>>;
  /** Log lines, by level, strategy and reason, or by level and message. */
  readonly lines: Readonly<Record<string, number>>;
  /** Of the membership, since the start. */
  readonly events: readonly string[];
}

/** What these programs tell. */
export interface Told {
  /** ms since 1970 */
  readonly at: number;
  readonly type: 'starting' | 'members' | 'peers' | 'set' | 'log' | 'failed' | 'report';
  readonly members?: readonly string[];
  readonly peers?: readonly string[];
  readonly addresses?: readonly string[];
  readonly message?: string;
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly report?: Report;
}

/** The command and arguments that run one of the programs from its source. */
export function programCommand(
  program: 'cluster-node' | 'mdns-node' | 'hostile-victim',
  init: object,
): [string, string[]] {
  const path = fileURLToPath(new URL(`../discovery/programs/${program}.ts`, import.meta.url));
  const flags = ['--expose-gc', '--import', 'tsx', '-C', '@foundation-ts/source'];
  return [process.execPath, [...flags, path, JSON.stringify(init)]];
}

/** A running program: what it told, and what it wrote beside. */
export class Running {
  readonly told: Told[] = [];
  readonly process: ChildProcess;
  readonly exited: Promise<void>;
  errors = '';

  constructor(process: ChildProcess) {
    this.process = process;
    this.exited = new Promise(resolve => process.once('exit', () => resolve()));
    process.stderr?.on('data', (data: Buffer) => {
      this.errors += data.toString();
    });
    if (process.stdout === null) return;
    createInterface({ input: process.stdout }).on('line', line => {
      if (line.startsWith('{')) this.told.push(JSON.parse(line) as Told);
      else this.errors += `${line}\n`;
    });
  }

  last(type: Told['type']): Told | undefined {
    return this.told.findLast(told => told.type === type);
  }

  /** Ends it in order. */
  async end(): Promise<void> {
    this.process.stdin?.write('end\n');
    await this.exited;
  }
}
