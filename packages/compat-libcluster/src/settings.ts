import { invalidOption, nearest } from '@foundation-ts/core';
import type { Finding } from './finding.js';

/** Reads the keys of one topology's `config`, and remembers what was not read. */
export class Settings {
  readonly findings: Finding[] = [];
  readonly #topology: string;
  readonly #given: Readonly<Record<string, unknown>>;
  readonly #read = new Set<string>();

  constructor(topology: string, given: Readonly<Record<string, unknown>>) {
    this.#topology = topology;
    this.#given = given;
  }

  /** @throws FoundationError `invalid-option` */
  text(key: string): string | undefined {
    return this.#take(key, 'a text', (value): value is string => typeof value === 'string' && value !== '');
  }

  /** @throws FoundationError `invalid-option` also when it is missing */
  required(key: string, example: string): string {
    const value = this.text(key);
    if (value === undefined) throw invalidOption(this.#path(key), undefined, `a text, such as '${example}'`);
    return value;
  }

  /** @throws FoundationError `invalid-option` */
  number(key: string): number | undefined {
    return this.#take(key, 'a number', (value): value is number => typeof value === 'number' && value >= 0);
  }

  /** @throws FoundationError `invalid-option` */
  flag(key: string): boolean | undefined {
    return this.#take(key, 'true, false', (value): value is boolean => typeof value === 'boolean');
  }

  /** @throws FoundationError `invalid-option` */
  texts(key: string): readonly string[] | undefined {
    return this.#take(
      key,
      'a list of texts',
      (value): value is string[] => Array.isArray(value) && value.every(one => typeof one === 'string'),
    );
  }

  /** @throws FoundationError `invalid-option` */
  choice<T extends string>(key: string, allowed: readonly T[]): T | undefined {
    return this.#take(key, allowed.map(one => `'${one}'`).join(', '), (value): value is T =>
      allowed.includes(value as T),
    );
  }

  /** An IPv4 address, as text or as a tuple. @throws FoundationError `invalid-option` */
  address(key: string): string | undefined {
    const value = this.#take(
      key,
      "an IPv4 address, such as '0.0.0.0'",
      (one): one is string | number[] =>
        (typeof one === 'string' && isAddress(one.split('.').map(Number))) || (Array.isArray(one) && isAddress(one)),
    );
    return Array.isArray(value) ? value.join('.') : value;
  }

  /** @returns whether the key is there, whatever its value */
  has(key: string): boolean {
    this.#read.add(key);
    return this.#given[key] !== undefined && this.#given[key] !== null;
  }

  changed(key: string, why: string): void {
    this.#find(key, 'changed', why);
  }

  ignored(key: string, why: string): void {
    this.#find(key, 'ignored', why);
  }

  leftOut(key: string, why: string): void {
    this.#find(key, 'left-out', why);
  }

  /** What stands there and was not asked for. */
  finish(): readonly Finding[] {
    for (const key of Object.keys(this.#given)) {
      if (this.#read.has(key)) continue;
      const near = nearest(key, [...this.#read]);
      const hint = near === undefined ? '' : ` Did you mean '${near}'?`;
      this.#find(key, 'ignored', `the strategy has no such key.${hint}`);
    }
    return this.findings;
  }

  #take<T>(key: string, allowed: string, fits: (value: unknown) => value is T): T | undefined {
    if (!this.has(key)) return undefined;
    const value = this.#given[key];
    if (fits(value)) return value;
    throw invalidOption(this.#path(key), value, allowed);
  }

  #path(key: string): string {
    return `topologies.${this.#topology}.config.${key}`;
  }

  #find(key: string, kind: Finding['kind'], why: string): void {
    this.findings.push({ topology: this.#topology, key, kind, why });
  }
}

function isAddress(parts: readonly unknown[]): boolean {
  return (
    parts.length === 4 &&
    parts.every(part => Number.isInteger(part) && (part as number) >= 0 && (part as number) <= 255)
  );
}
