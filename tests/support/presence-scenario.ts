import { expect } from '@jest/globals';
import type { DriverStatus } from '../../shared/schemas/driver-status.ts';
import { type CuttableProxy, startCuttableProxy } from './cuttable-proxy.ts';
import { PresenceCluster, type TestProcess } from './presence-cluster.ts';
import { eventually } from './redis.ts';

export type Scenario = {
  cluster: PresenceCluster;
  one: TestProcess;
  two: TestProcess;
  /** Between Redis and `one`, and `two`. */
  proxies: readonly [CuttableProxy, CuttableProxy];
  /** Between Redis and everybody. */
  everywhere(step: 'cut' | 'restore'): Promise<unknown>;
  /** What is told and stored of a driver: bob unless said. */
  becomes(status: DriverStatus, driverId?: string): Promise<unknown>;
  is(status: DriverStatus, driverId?: string): void;
};

/** Two processes with a name space of their own, so that scenarios may be played at the same time: most of each is waiting. */
export const scenario = (play: (scenario: Scenario) => Promise<void>) => async (): Promise<void> => {
  const cluster = new PresenceCluster();
  const url = process.env.TEST_REDIS_URL ?? '';
  const proxies = [await startCuttableProxy(url), await startCuttableProxy(url)] as const;
  try {
    await play({
      cluster,
      one: await cluster.process(proxies[0].url),
      two: await cluster.process(proxies[1].url),
      proxies,
      everywhere: (step) => Promise.all(proxies.map((proxy) => proxy[step]())),
      becomes: (status, driverId = 'bob') =>
        eventually(
          () => cluster.of(driverId),
          ({ told, stored }) => told === status && stored === status,
        ),
      is: (status, driverId = 'bob') =>
        expect(cluster.of(driverId)).toEqual({ told: status, stored: status }),
    });
  } finally {
    await cluster.end();
    for (const proxy of proxies) await proxy.cut();
  }
};
