// Who may import whom; ARCHITECTURE.md says why. Every rule is an error.
const owned = (name, packages, owners) => ({
  name: `${name}-has-one-owner`,
  severity: 'error',
  from: { path: '^(lib|services|workers|cli)/', pathNot: owners },
  to: { path: packages.map((p) => `node_modules/${p}/`) },
});

/** A layer may import only itself and what `allowed` names (other source folders are an error). */
const layer = (name, from, allowed) => ({
  name: `${name}-imports`,
  severity: 'error',
  from: { path: from },
  to: { path: '^(lib|services|workers|cli|test|bench|protos)/', pathNot: [from, ...allowed] },
});

module.exports = {
  forbidden: [
    { name: 'no-cycle', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-orphan',
      severity: 'error',
      from: { orphan: true, path: '^(lib|services|workers|cli)/', pathNot: ['\\.d\\.ts$'] },
      to: {},
    },
    { name: 'nobody-imports-a-main', severity: 'error', from: {}, to: { path: '(^|/)(main|[a-z-]+-main)\\.ts$' } },
    {
      name: 'core-is-pure',
      severity: 'error',
      from: { path: '^lib/core/' },
      to: { dependencyTypes: ['npm', 'npm-dev', 'core'] },
    },
    layer('core', '^lib/core/', []),
    layer('platform', '^lib/platform/', ['^lib/core/']),
    layer('catalog', '^lib/catalog/', ['^lib/(core|platform)/']),
    layer('archives', '^lib/archives/', ['^lib/(core|platform)/']),
    layer('annotations', '^lib/annotations/', ['^lib/(core|platform|archives)/']),
    layer('shards', '^lib/shards/', ['^lib/(core|platform)/']),
    layer('pixels', '^lib/pixels/', ['^lib/(core|platform)/']),
    layer('rpc', '^lib/rpc/', ['^lib/(core|platform)/']),
    layer('downloader', '^services/downloader/', ['^lib/(core|platform|catalog|rpc)/', '^protos/gen/']),
    layer('archive-server', '^services/archive-server/', ['^lib/(core|platform|catalog|archives|pixels)/']),
    layer('batch-server', '^services/batch-server/', ['^lib/(core|platform|shards|pixels|rpc)/', '^protos/gen/']),
    layer('trainer', '^services/trainer/', ['^lib/(core|platform)/', '^protos/gen/']),
    layer('workers', '^workers/', ['^lib/']),
    layer('cli', '^cli/', ['^lib/', '^services/', '^workers/', '^protos/gen/']),
    owned('lmdb', ['lmdb'], ['^lib/shards/']),
    owned('leveldb', ['classic-level'], ['^lib/shards/leveldb/']),
    owned('sharp', ['sharp'], ['^lib/pixels/']),
    owned(
      'koffi',
      ['koffi'],
      [
        '^lib/pixels/',
        '^lib/platform/parent-death',
        '^services/batch-server/assembly/shared-file',
        '^services/downloader/openssl-hash',
        '^services/trainer/backend/vulkan-loader',
      ],
    ),
    owned('tar-stream', ['tar-stream'], ['^lib/archives/']),
    owned('p-queue', ['p-queue'], ['^workers/', '^services/downloader/']),
    owned('undici', ['undici'], ['^services/downloader/']),
    owned('tfjs', ['@tensorflow'], ['^services/trainer/']),
    owned('grpc', ['@grpc', 'grpc-health-check'], ['^services/', '^lib/rpc/', '^protos/gen/']),
    owned('commander', ['commander'], ['^cli/']),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    exclude: { path: '^(dist|lib/pixels/kernels)/' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
};
