import { type Bar, MultiBar, Presets } from 'cli-progress';
import Table from 'cli-table3';

/** Writes to standard output: lines with the time since the start, progress, tables. */
export class Terminal {
  readonly #started = performance.now();
  #bars: MultiBar | undefined;

  readonly print = (line: string): void => {
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(1).padStart(5);
    this.#write(`${seconds} s  ${line}`);
  };

  heading(line: string): void {
    this.#write('');
    this.print(line);
  }

  /** Shows how far something is: a bar on a terminal, a line for every quarter elsewhere. */
  progress(what: string, total: number): Progress {
    if (!process.stdout.isTTY) return new ProgressLines(what, total, this.print);
    const bars = new MultiBar(
      {
        format: `         ${what} {bar} {percentage}% ({value} of {total})`,
        barsize: 30,
        // Whatever ends this process, it must leave the terminal as it was.
        linewrap: true,
        gracefulExit: false,
      },
      Presets.shades_classic,
    );
    this.#bars = bars;
    return new ProgressBar(bars.create(total, 0), () => {
      bars.stop();
      this.#bars = undefined;
    });
  }

  table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
    const table = new Table({ head: [...head], style: { head: [], border: [] } });
    table.push(...rows.map(row => [...row]));
    this.#write(table.toString());
  }

  #write(text: string): void {
    if (this.#bars === undefined) process.stdout.write(`${text}\n`);
    else this.#bars.log(`${text}\n`);
  }
}

export interface Progress {
  update(value: number): void;
  stop(): void;
}

class ProgressBar implements Progress {
  readonly #bar: Bar;
  readonly #close: () => void;

  constructor(bar: Bar, close: () => void) {
    this.#bar = bar;
    this.#close = close;
  }

  update(value: number): void {
    this.#bar.update(value);
  }

  stop(): void {
    this.#close();
  }
}

class ProgressLines implements Progress {
  readonly #what: string;
  readonly #total: number;
  readonly #print: (line: string) => void;
  #quarter = -1;

  constructor(what: string, total: number, print: (line: string) => void) {
    this.#what = what;
    this.#total = total;
    this.#print = print;
  }

  update(value: number): void {
    const quarter = Math.floor((4 * value) / this.#total);
    if (quarter === this.#quarter) return;
    this.#quarter = quarter;
    this.#print(`${this.#what}: ${value} of ${this.#total}`);
  }

  stop(): void {}
}

/** `1234567` → `1.2 MB`. */
export function formatBytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** `1234` → `1.23 s`, `12` → `12 ms`. */
export function formatMilliseconds(duration: number): string {
  return duration < 1000 ? `${Math.round(duration)} ms` : `${(duration / 1000).toFixed(2)} s`;
}
