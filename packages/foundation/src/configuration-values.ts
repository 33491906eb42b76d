import { invalidOption, type LogLevel } from '@foundation-ts/core';
import { isPlain } from './configuration-merge.js';
import { MIN_SECRET_BYTES } from './defaults.js';

/** What the option `log` takes as a word. */
export const LOG_LEVELS: readonly (LogLevel | 'silent')[] = ['debug', 'info', 'warn', 'error', 'silent'];

/** Reads the text of an environment variable. @throws FoundationError `invalid-option` naming the variable and what is allowed */
export type ReadVariable = (text: string, variable: string) => unknown;

/** Any text but the empty one. */
export const text: ReadVariable = value => value;

/** `true` or `false`, nothing else. */
export const truth: ReadVariable = (value, variable) => {
  if (value === 'true') return true;
  if (value === 'false') return false;
  throw invalidOption(variable, value, 'true, false');
};

/** Texts separated by commas; white space around them does not count. */
export const list: ReadVariable = (value, variable) => {
  const items = value.split(',').map(item => item.trim());
  if (items.includes('')) throw invalidOption(variable, value, 'texts separated by commas, none of them empty');
  return items;
};

/** A whole number in plain digits. */
export function whole(minimum: number, maximum: number): ReadVariable {
  return (value, variable) => {
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    if (number >= minimum && number <= maximum) return number;
    const range = maximum === Number.MAX_SAFE_INTEGER ? `${minimum} or more` : `${minimum} to ${maximum}`;
    throw invalidOption(variable, value, `a whole number, ${range}`);
  };
}

/** A number in plain digits, and `Infinity` where that means never. */
export function amount(what: string, { infinite = false, zero = false } = {}): ReadVariable {
  return (value, variable) => {
    if (infinite && value === 'Infinity') return Number.POSITIVE_INFINITY;
    const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
    if (zero ? number >= 0 : number > 0) return number;
    throw invalidOption(
      variable,
      value,
      `${what}, ${zero ? '0 or more' : 'more than 0'}${infinite ? ', or Infinity' : ''}`,
    );
  };
}

/** One of a few words. */
export function oneOf(...words: readonly string[]): ReadVariable {
  return (value, variable) => {
    if (words.includes(value)) return value;
    throw invalidOption(variable, value, words.join(', '));
  };
}

/** `true`, `false`, a keyword, or a keyword with its options as JSON; which keywords there are is checked with the options. */
export const clusterWay: ReadVariable = (value, variable) => {
  if (value === 'true' || value === 'false') return value === 'true';
  if (/^[\w-]+$/.test(value)) return value;
  const parsed = parsedJson(value);
  if (isPlain(parsed)) return parsed;
  // Not shown: a strategy's options may hold a password.
  const what = value.startsWith('{') ? 'no JSON object' : 'neither a word nor JSON';
  throw invalidOption(variable, what, 'true, false, a keyword, or JSON such as {"strategy":"gossip"}');
};

function parsedJson(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return undefined; // The caller says what is allowed.
  }
}

/** Secrets separated by commas; their values are never shown. */
export const secrets: ReadVariable = (value, variable) => {
  const items = value.split(',').map(item => item.trim());
  checkSecrets(items, variable);
  return items.length === 1 ? items[0] : items;
};

/**
 * The secrets as bytes.
 * @param option - how errors name them
 * @throws FoundationError `invalid-option` when one is no text or too short; never shows it
 */
export function checkSecrets(given: unknown, option: string): readonly Uint8Array[] {
  const items: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (items.length === 0) throw invalidOption(option, items, 'a secret, or a list that begins with the one to prove');
  return items.map((item, index) => {
    const name = items.length === 1 ? option : `${option}[${index}]`;
    if (typeof item !== 'string') throw invalidOption(name, `a value of type ${typeof item}`, 'a text');
    const secret = new TextEncoder().encode(item);
    if (secret.length >= MIN_SECRET_BYTES) return secret;
    throw invalidOption(
      name,
      `${secret.length} bytes long`,
      `${MIN_SECRET_BYTES} bytes or more, random: openssl rand -hex 32`,
    );
  });
}
