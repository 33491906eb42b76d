const { existsSync, readdirSync, readFileSync } = require('node:fs');
const { join } = require('node:path');

/**
 * The floors, lowest first: an import points only to a lower one. `npm run check:floors` checks it, and
 * test/tooling/floors.test.ts shows that each rule can fail.
 */
const floors = [
  ['core', 'crdt'],
  ['transport', 'discovery'],
  ['cluster'],
  ['distributed', 'pubsub'],
  ['services'],
  ['observer'],
  ['foundation', 'compat-libcluster'],
];

const source = names => `^packages/(${names.join('|')})/src/`;
/** A package as another one reaches it: its source here, or its name when it can't be resolved. */
const reached = names =>
  `^packages/(${names.join('|')})/|^@foundation-ts/(${names.join('|')})(/|$)${names.includes('foundation') ? '|^foundation-ts(/|$)' : ''}`;

/** For each package here: the workspace packages that its package.json does not name. */
function undeclared() {
  const root = join(process.cwd(), 'packages');
  const folders = readdirSync(root).filter(folder => existsSync(join(root, folder, 'package.json')));
  const manifests = new Map(
    folders.map(folder => [folder, JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))]),
  );
  return [...manifests].flatMap(([folder, { dependencies = {}, peerDependencies = {} }]) => {
    const others = folders.filter(other => {
      const { name } = manifests.get(other);
      return other !== folder && !(name in dependencies) && !(name in peerDependencies);
    });
    if (others.length === 0) return [];
    return {
      name: 'no-undeclared',
      comment: 'Every package that is imported stands in the importing package.json.',
      severity: 'error',
      from: { path: source([folder]) },
      to: { path: reached(others) },
    };
  });
}

const upward = floors.map((names, index) => ({
  name: `floor-${index + 1}`,
  comment: `Floor ${index + 1} (${names.join(', ')}) imports only from lower floors.`,
  severity: 'error',
  from: { path: `^packages/(${names.join('|')})/src/` },
  to: { path: reached(floors.slice(index).flat()), pathNot: '^packages/$1/' },
}));

module.exports = {
  forbidden: [
    ...upward,
    {
      name: 'no-testing-in-production',
      comment: 'The testing kit is for tests; no package builds on it.',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/', pathNot: '^packages/testing/src/' },
      to: { path: reached(['testing']) },
    },
    {
      name: 'no-cycles',
      comment:
        'A cycle means that two files are one concept, or that a part belongs lower. Cycles through an `import type` are let through: nothing of them is left when the program runs.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-internals',
      comment: "Another package's src/internal is its own.",
      severity: 'error',
      from: { path: '^(packages/[^/]+|examples|bench|test)/' },
      to: { path: '^packages/[^/]+/src/internal/', pathNot: '^$1/' },
    },
    {
      name: 'no-relative-reach',
      comment: 'Another package is imported by its name and its declared entry points, never by a path.',
      severity: 'error',
      from: { path: '^(packages/[^/]+|examples|bench|test)/' },
      to: { path: '^packages/', pathNot: '^$1/', dependencyTypes: ['local'] },
    },
    {
      name: 'no-undeclared',
      comment: 'Every package that is imported stands in the importing package.json.',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/' },
      // An optional peer stands among the development dependencies too, so that it is there to test with.
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev'], dependencyTypesNot: ['npm-peer'] },
    },
    ...undeclared(),
    {
      name: 'no-unresolvable',
      comment: 'An import that leads nowhere: misspelt, or a deep path that the package does not export.',
      severity: 'error',
      from: { path: '^(packages|examples|bench|test)/' },
      to: { couldNotResolve: true },
    },
    {
      name: 'core-has-no-dependencies',
      comment: 'core takes nothing from third parties but eventemitter3, crdt nothing at all.',
      severity: 'error',
      from: { path: source(floors[0]) },
      to: { path: 'node_modules/', pathNot: 'node_modules/eventemitter3/' },
    },
    {
      name: 'no-io-on-floor-1',
      comment: 'Floor 1 does no I/O: time, randomness and sockets come in from above.',
      severity: 'error',
      from: { path: source(floors[0]) },
      to: {
        dependencyTypes: ['core'],
        path: '^(node:)?(fs|net|tls|http|https|http2|dgram|dns|child_process|cluster|worker_threads|readline|repl|inspector)(/|$)',
      },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '/(dist|coverage)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.check.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@foundation-ts/source', 'types', 'import', 'node', 'default'],
    },
  },
};
