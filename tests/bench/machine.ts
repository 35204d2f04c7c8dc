import { cpus, release, totalmem, type } from 'node:os';
import type { Results } from './results.ts';

export const machine = (): Results['machine'] => ({
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryBytes: totalmem(),
  node: process.version,
  system: `${type()} ${release()}`,
});
