import type { Liveness } from './index.ts';

/** For one process: there is nobody but it, so all the others are gone. */
export function createSoleLiveness(processId: string): Liveness {
  return {
    processId,
    hasOthers: false,
    gone: async (processIds) => processIds.filter((id) => id !== processId),
    onReturned: () => undefined,
    stop: async () => undefined,
  };
}
