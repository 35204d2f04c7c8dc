import mqemitter from 'mqemitter';
import type { Emitter } from './index.ts';

/**
 * For one process. No limit on messages under way: with one, a single reader that has stopped reading would hold
 * up everybody's. Each reader is bounded by itself instead, where its messages are written.
 */
export function createMemoryEmitter(): Emitter {
  return mqemitter({ concurrency: 0, matchEmptyLevels: true }) as unknown as Emitter;
}
