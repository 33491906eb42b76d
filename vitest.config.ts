import { defineConfig } from 'vitest/config';

const conditions = ['@foundation-ts/source', 'node', 'import', 'default'];
const resolve = { conditions };
const ssr = { resolve: { conditions } };
// Node applies the conditions to what third parties require() too: 'import' gives etcd3's protobuf an ES module for its
// 64-bit numbers, which it then rounds.
const required = { conditions: conditions.filter(condition => condition !== 'import') };

export default defineConfig({
  test: {
    projects: [
      {
        resolve,
        ssr,
        test: {
          name: 'unit',
          include: ['packages/*/test/**/*.test.ts', 'examples/*/test/**/*.test.ts', 'bench/test/**/*.test.ts'],
          testTimeout: 20_000,
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: 'types',
          include: [],
          typecheck: {
            enabled: true,
            only: true,
            include: ['packages/*/test/**/*.test-d.ts', 'test/**/*.test-d.ts'],
            tsconfig: './tsconfig.check.json',
          },
        },
      },
      {
        // The checks themselves: each is shown to fail where it should.
        resolve,
        ssr,
        test: {
          name: 'tooling',
          include: ['test/tooling/**/*.test.ts'],
          testTimeout: 60_000,
          fileParallelism: false,
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: 'cluster',
          include: ['test/**/*.test.ts'],
          exclude: ['test/tooling/**', 'test/discovery/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
      {
        // Real components from Debian's packages, installed when missing.
        resolve: required,
        ssr: { resolve: required },
        test: {
          name: 'discovery',
          include: ['test/discovery/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
