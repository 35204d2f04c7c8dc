import persistence from 'aedes-persistence';
import type { SessionStore } from './index.ts';

/** For one process; gone with it. */
export function createMemorySessionStore(): SessionStore {
  return (persistence as unknown as () => SessionStore)();
}
