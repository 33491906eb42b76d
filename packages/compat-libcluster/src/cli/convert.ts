#!/usr/bin/env node
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { convert } from '../convert.js';

process.exitCode = await convert(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  read: file => (file === '-' ? text(process.stdin) : readFile(file, 'utf8')),
  out: line => void process.stdout.write(line),
  err: line => void process.stderr.write(line),
});
