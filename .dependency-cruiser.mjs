// The import column of the design's room table. A room may import itself, what its line names, and npm packages.
const rooms = {
  domain: [],
  'workers/runtime': ['domain'],
  'workers/gateway': ['domain', 'workers/runtime'],
  'workers/scheduler': ['domain', 'workers/runtime'],
  'workers/connector': ['domain', 'workers/runtime'],
  'workers/vault': ['domain', 'workers/runtime'],
  'workers/verifier': ['domain', 'workers/runtime'],
  'workers/notifier': ['domain', 'workers/runtime'],
  'durable-objects': ['domain', 'workers/runtime'],
  'edge-functions': ['domain'],
  cli: ['domain'],
  conformance: [],
  // Whoever steals pieces has the code too: it is published. So this thief, and no other check, may use the domain.
  'conformance/stolen-pieces': ['conformance', 'domain'],
  // Besides what the data means: what a browser needs to check receipts and proofs for itself, and to seal a session.
  dashboards: [
    'domain/contracts',
    'domain/findings',
    'domain/backfill/words',
    'domain/incidents',
    'domain/runs',
    'domain/metrics',
    'domain/result',
    'domain/providers',
    'domain/calendar',
    'domain/bytes',
    'domain/merkle',
    'domain/note',
    'domain/webhooks',
    'domain/operator-key/public-key',
    'domain/device-login',
  ],
  sql: ['domain', 'local/postgres'],
}
const folders = [
  'domain',
  'workers',
  'durable-objects',
  'edge-functions',
  'cli',
  'conformance',
  'dashboards',
  'sql',
  'local',
  'tools',
]

/** A room within another has a line of its own. */
const within = (room) => Object.keys(rooms).filter((other) => other.startsWith(`${room}/`))

const roomRules = Object.entries(rooms).map(([room, allowed]) => ({
  name: `${room} imports only ${['itself', ...allowed].join(', ')}`,
  severity: 'error',
  // Tests boot the real parts beside them, and so may reach into local/.
  from: { path: `^${room}/`, pathNot: ['\\.test\\.ts$', ...within(room).map((inner) => `^${inner}/`)] },
  to: {
    path: `^(${folders.join('|')})/`,
    pathNot: [room, ...allowed].map((folder) => `^${folder}(/|\\.ts$)`),
  },
}))

export default {
  forbidden: [
    ...roomRules,
    {
      name: 'no cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'domain is pure: no Node, no network, no files',
      severity: 'error',
      from: { path: '^domain/', pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'nothing that ships imports a development package',
      severity: 'error',
      from: { path: '^(domain|workers|durable-objects|edge-functions|cli)/', pathNot: '(\\.test\\.ts|vitest.*\\.ts)$' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'every import resolves',
      severity: 'error',
      from: { path: `^(${folders.join('|')})/` },
      to: { couldNotResolve: true, pathNot: '^(cloudflare:|domain/|next/)' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(\\.next|out)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['workerd', 'import', 'node', 'types', 'default'],
      extensions: ['.ts', '.tsx', '.mjs', '.js', '.json'],
    },
  },
}
