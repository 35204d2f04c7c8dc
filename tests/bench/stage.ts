import { type Platform, startPlatform, temporaryDataDir } from '../support/platform.ts';
import { PlatformCluster } from '../support/platform-cluster.ts';
import { type RestartableServers, startRestartableServers } from '../support/services/index.ts';
import { type Meters, type Usage, usageIn, usageOf } from './processes.ts';

/** The product as it is measured. */
export type Stage = {
  brokers: readonly Platform[];
  api: Platform;
  databaseUrl: string;
  /** The database can be asked when a row was committed. */
  tellsCommitTimes: boolean;
  meters: Meters;
  stop(): Promise<void>;
};

const SERVER_SETTINGS = {
  postgres: { track_commit_timestamp: 'on', shared_buffers: '512MB', max_wal_size: '4GB' },
  redis: { appendfsync: 'everysec' },
};

/** Real processes, one role each, over PostgreSQL and Redis with what they keep on disk. */
export async function openClustered(brokers = 1): Promise<Stage> {
  const servers = await startRestartableServers(SERVER_SETTINGS);
  try {
    const cluster = await PlatformCluster.start({
      brokers,
      ingests: 1,
      apis: 1,
      databaseServer: servers.postgres.url,
      redisUrl: servers.redis.url,
    });
    return {
      brokers: cluster.brokers,
      api: cluster.api,
      databaseUrl: cluster.databaseUrl,
      tellsCommitTimes: true,
      meters: {
        broker: usageOfAll(cluster.brokers),
        ingest: usageOfAll(cluster.ingests),
        api: usageOfAll(cluster.apis),
        redis: () => usageIn(servers.redis.server.directory),
        postgres: () => usageIn(servers.postgres.server.directory),
      },
      async stop() {
        await cluster.stop();
        await stopAll(servers);
      },
    };
  } catch (error) {
    await stopAll(servers);
    throw error;
  }
}

/** One process with everything in it. */
export async function openEmbedded(): Promise<Stage> {
  const dataDir = await temporaryDataDir();
  const platform = await startPlatform({ DATA_DIR: dataDir.path });
  return {
    brokers: [platform],
    api: platform,
    databaseUrl: `postgresql://postgres@/postgres?host=${dataDir.path}/socket`,
    tellsCommitTimes: false,
    meters: { all: usageOfAll([platform]) },
    async stop() {
      await platform.stop();
      await dataDir.remove();
    },
  };
}

async function stopAll({ postgres, redis }: RestartableServers): Promise<void> {
  await Promise.all([postgres.server.stop(), redis.server.stop()]);
}

const usageOfAll = (platforms: readonly Platform[]) => async (): Promise<Usage> => {
  const usages = await Promise.all(platforms.map(({ process }) => usageOf(process.pid as number)));
  return {
    cpuSeconds: usages.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
    rssBytes: usages.reduce((sum, { rssBytes }) => sum + rssBytes, 0),
  };
};
