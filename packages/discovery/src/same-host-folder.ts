import { createHash, randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import { lstatSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { toAdvertised } from './advertised.js';
import { SAME_HOST_MAX_FILE_BYTES } from './defaults.js';
import { exists, type OsProcess, stateOf, thisProcess } from './os-process.js';
import { checkPrivateFolder, makePrivateFolder } from './private-folder.js';
import type { Advertised } from './strategy.js';

const what = 'the folder in which the nodes of this machine find one another';

/** What a look at the folder found. */
export interface FolderListing {
  /** The nodes whose process runs. */
  readonly nodes: readonly Advertised[];
  /** Files that are no well-formed entries, and why. */
  readonly malformed: readonly { readonly file: string; readonly reason: string }[];
}

/** The folder of one cluster: one file for each node that runs. */
export class SameHostFolder {
  readonly path: string;
  readonly #base: string;
  readonly #self: OsProcess = thisProcess();

  /** @param base - default: {@link defaultBase} */
  constructor(clusterId: string, base: string = defaultBase()) {
    this.#base = base;
    this.path = join(base, safeName(clusterId));
  }

  /** @throws FoundationError `insecure` when somebody else could write there */
  async prepare(): Promise<void> {
    await makePrivateFolder(this.#base, what);
    await makePrivateFolder(this.path, what);
  }

  /** Which folder it is at present: another value after it was removed and made again. */
  identity(): string {
    const stats = statSync(this.path);
    return `${stats.ino}:${stats.birthtimeMs}`;
  }

  fileOf(node: Advertised): string {
    return join(this.path, `${safeName(node.name)}-${node.incarnation}.json`);
  }

  /** Whether the node's file is there. */
  has(node: Advertised): boolean {
    return statSync(this.fileOf(node), { throwIfNoEntry: false }) !== undefined;
  }

  /** Writes the node's file, whole or not at all. */
  write(node: Advertised): void {
    const draft = join(this.path, `.${this.#self.pid}-${randomUUID()}`);
    writeFileSync(draft, `${JSON.stringify({ format: 1, ...node, process: this.#self })}\n`, {
      mode: 0o600,
      flag: 'wx',
    });
    renameSync(draft, this.fileOf(node));
  }

  remove(node: Advertised): void {
    rmSync(this.fileOf(node), { force: true });
  }

  /**
   * Reads every entry; removes those whose process is gone.
   * @throws FoundationError `insecure` when somebody else could write there, or the file system's error
   */
  list(clusterId: string): FolderListing {
    checkPrivateFolder(this.#base, lstatSync(this.#base), what);
    checkPrivateFolder(this.path, lstatSync(this.path), what);
    const nodes: Advertised[] = [];
    const malformed: { file: string; reason: string }[] = [];
    for (const file of readdirSync(this.path)) {
      const path = join(this.path, file);
      if (file.startsWith('.')) {
        removeOrphan(path, file);
        continue;
      }
      const entry = readEntry(path);
      if (entry === undefined) continue;
      if (typeof entry === 'string') malformed.push({ file, reason: entry });
      else if (entry.node.clusterId === clusterId) {
        const state = stateOf(entry.process, this.#self);
        if (state === 'running') nodes.push(entry.node);
        if (state === 'gone') rmSync(path, { force: true });
      }
    }
    return { nodes, malformed };
  }
}

/** `$XDG_RUNTIME_DIR/foundation` when that folder exists and is ours, otherwise `foundation-<uid>` in the folder for temporary files. */
function defaultBase(): string {
  const runtime = process.env.XDG_RUNTIME_DIR;
  const uid = process.getuid?.();
  if (runtime !== undefined && runtime !== '') {
    const stats: Stats | undefined = statSync(runtime, { throwIfNoEntry: false });
    if (stats?.isDirectory() === true && stats.uid === uid) return join(runtime, 'foundation');
  }
  return join(tmpdir(), `foundation-${uid ?? safeName(userInfo().username)}`);
}

/** A file name that no two texts share, also where case is ignored, and that begins like the text. */
function safeName(text: string): string {
  const readable = text.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 40);
  return `${readable}-${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
}

/** Drafts that a killed process left. */
function removeOrphan(path: string, file: string): void {
  const pid = Number(/^\.(\d+)-/.exec(file)?.[1]);
  if (Number.isSafeInteger(pid) && pid > 0 && !exists(pid)) rmSync(path, { force: true });
}

interface Entry {
  readonly node: Advertised;
  readonly process: OsProcess;
}

/** An entry, why it is none, or undefined when the file has just been removed. */
function readEntry(path: string): Entry | string | undefined {
  try {
    const stats = lstatSync(path);
    if (!stats.isFile()) return 'not a file';
    if (stats.size > SAME_HOST_MAX_FILE_BYTES) return `${stats.size} bytes long`;
    return parseEntry(readFileSync(path, 'utf8'));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : (error as Error).message;
  }
}

function parseEntry(text: string): Entry | string {
  const given = JSON.parse(text) as Record<string, unknown> | null;
  if (typeof given !== 'object' || given === null) return 'not an object';
  if (given.format !== 1) return 'of another format';
  const node = toAdvertised({
    name: given.name,
    clusterId: given.clusterId,
    incarnation: given.incarnation,
    address: given.address,
  });
  const process = toOsProcess(given.process);
  if (node === undefined || process === undefined) return 'fields missing or wrong';
  return { node, process };
}

function toOsProcess(value: unknown): OsProcess | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { pid, started, boot, namespace } = value as Partial<Record<keyof OsProcess, unknown>>;
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid < 1) return undefined;
  return { pid, started: textOf(started), boot: textOf(boot), namespace: textOf(namespace) };
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
