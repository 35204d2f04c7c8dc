import { ConnectionLimit } from './connection-limit.ts';
import type { Places } from './places.ts';

/** For one process: nobody else can take a place away. */
export function createMemoryPlaces(maxPerDriver: number): Places {
  const limit = new ConnectionLimit(maxPerDriver);
  return {
    take: async ({ sub, clientId }) => limit.take(sub, clientId),
    onLost: () => undefined,
    stop: () => undefined,
  };
}
