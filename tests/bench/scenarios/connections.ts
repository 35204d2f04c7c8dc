import { token } from '../../support/platform.ts';
import { HeldCrowd } from '../generator.ts';
import type { CrowdResult } from '../load/plan.ts';
import { readAll, type Usage } from '../processes.ts';
import type { Stage } from '../stage.ts';

export type ConnectionsOptions = { connections: number; concurrency: number; comeBack: boolean };

export type ConnectionsResult = {
  connections: number;
  failed: number;
  /** Logins with their SUBSCRIBE, all together. */
  perSecond: number;
  login: CrowdResult['login'];
  /** Of the brokers: what one connection costs while nothing is sent. */
  bytesEach: number;
  cpuMicrosecondsEach: number;
  /** When all have lost their connection at once: seconds until the last one was back. */
  back?: { seconds: number; failed: number };
};

/** One process may open 20,000 files here, and each connection is one. */
const PER_GENERATOR = 12_500;
/** A broker frees what its logins have left behind while nothing happens. */
const REST_MS = 3000;

/** Users with one subscription each, spread over all brokers. */
export async function runConnections(stage: Stage, options: ConnectionsOptions): Promise<ConnectionsResult> {
  const ports = stage.brokers.map(({ ports: { mqtt } }) => mqtt);
  const brokers = async (): Promise<Usage> => (await readAll(stage.meters)).broker as Usage;
  const people = await Promise.all(
    Array.from({ length: options.connections }, async (_, index) => ({
      clientId: 'phone',
      password: await token('RIDER', `crowd-${index}`),
      filter: `riders/crowd-${index}/trips`,
    })),
  );
  const parts = Array.from({ length: Math.ceil(people.length / PER_GENERATOR) }, (_, index) =>
    people.slice(index * PER_GENERATOR, (index + 1) * PER_GENERATOR),
  );
  const crowds = parts.map((part) => ({ crowd: new HeldCrowd(), people: part }));
  try {
    const before = await brokers();
    const results = await Promise.all(
      crowds.map((part) =>
        part.crowd.connect({
          host: '127.0.0.1',
          ports,
          people: part.people,
          concurrency: Math.ceil(options.concurrency / crowds.length),
        }),
      ),
    );
    const busy = await brokers();
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    const after = await brokers();
    const connected = sum(results, ({ connected }) => connected);
    const result: ConnectionsResult = {
      connections: connected,
      failed: sum(results, ({ failed }) => failed),
      perSecond: connected / Math.max(...results.map(({ seconds }) => seconds)),
      login: (results[0] as CrowdResult).login,
      bytesEach: (after.rssBytes - before.rssBytes) / connected,
      cpuMicrosecondsEach: ((busy.cpuSeconds - before.cpuSeconds) / connected) * 1e6,
    };
    if (!options.comeBack) return result;
    const backs = await Promise.all(crowds.map(({ crowd }) => crowd.comeBack()));
    const seconds = Math.max(...backs.map((back) => back.seconds));
    return { ...result, back: { seconds, failed: sum(backs, ({ failed }) => failed) } };
  } finally {
    for (const { crowd } of crowds) crowd.end();
  }
}

const sum = <T>(items: readonly T[], read: (item: T) => number) =>
  items.reduce((total, item) => total + read(item), 0);
