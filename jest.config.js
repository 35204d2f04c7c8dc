// JavaScript, because Jest on Node 20 loads a TypeScript configuration only through ts-node.

const typescript = {
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { swcrc: false, jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'es6' } },
    ],
  },
  extensionsToTreatAsEsm: ['.ts'],
  testEnvironment: 'node',
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/dist/', '<rootDir>/data/'],
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/data/'],
};

/** @type {import('jest').Config} */
export default {
  // Two cores: many tests wait for most of their time
  maxWorkers: 3,
  // For all projects: in one of them Jest would not look at it.
  testTimeout: 60_000,
  // Two projects, so that a run of unit tests alone starts no services: Jest calls a
  // project's globalSetup only when one of that project's tests is about to run.
  projects: [
    { ...typescript, displayName: 'unit', testMatch: ['<rootDir>/tests/unit/**/*.test.ts'] },
    {
      ...typescript,
      displayName: 'services',
      testMatch: ['<rootDir>/tests/(integration|system|chaos|abuse)/**/*.test.ts'],
      testEnvironment: '<rootDir>/tests/support/environment.ts',
      globalSetup: '<rootDir>/tests/support/global-setup.ts',
      globalTeardown: '<rootDir>/tests/support/global-teardown.ts',
    },
  ],
};
