import { Apt, choosePostgisPackage } from './apt.ts';
import { startPostgisContainer, startRedisContainer } from './docker.ts';
import { findPostgres, findRedisServer, postgresInstallations } from './find-binaries.ts';
import { givenByUrl } from './given.ts';
import { checkPostgis, startPostgres, startRestartablePostgres } from './postgres.ts';
import { installPrograms } from './programs.ts';
import { pingRedis, startRedis, startRestartableRedis } from './redis.ts';
import type { RestartableServer } from './restartable.ts';
import {
  type Closed,
  firstOpenWay,
  foundMessage,
  isClosed,
  isFound,
  missingServicesMessage,
  type NotFound,
  type RunningService,
  type Way,
} from './ways.ts';

export interface GivenUrls {
  databaseUrl: string | undefined;
  redisUrl: string | undefined;
}

export interface TestServices {
  databaseUrl: string;
  redisUrl: string;
  stop(): Promise<void>;
}

/*
 * The real PostgreSQL with PostGIS and the real Redis that the tests run against. For each of the two, the
 * first of four ways that is open: an address given by the user, Docker, the programs on this machine, and
 * on Debian and Ubuntu the packages, installed now. The two need not come the same way.
 */
export async function startServices(given: GivenUrls): Promise<TestServices> {
  const apt = new Apt(say);
  const started: RunningService[] = [];
  const stop = async () => {
    await Promise.all(started.map((service) => service.stop()));
  };
  const find = async (service: string, ways: readonly Way[]) => {
    const result = await firstOpenWay(service, ways);
    if (isFound(result)) {
      started.push(result.service);
      say(foundMessage(result));
    }
    return result;
  };
  try {
    const postgres = await find('PostgreSQL with PostGIS', postgresWays(given.databaseUrl, apt));
    const redis = await find('Redis', redisWays(given.redisUrl, apt));
    if (!isFound(postgres) || !isFound(redis)) {
      // Both were looked for, so that one message tells everything that is missing.
      throw new Error(
        missingServicesMessage([postgres, redis].filter((result): result is NotFound => !isFound(result))),
      );
    }
    await checkPostgis(postgres.service.url);
    await pingRedis(redis.service.url);
    await installPrograms(apt, say);
    return { databaseUrl: postgres.service.url, redisUrl: redis.service.url, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Servers of a test's own, to be killed: only programs on this machine can be, or such as are installed now. */
export async function startRestartableServers(settings: ServerSettings = {}): Promise<RestartableServers> {
  const apt = new Apt(say);
  const installed = await programOrApt(apt, findPostgres, choosePostgres);
  const redisServer = await redisProgram(apt);
  const [postgres, redis] = await Promise.all([
    startRestartablePostgres(installed, settings.postgres),
    startRestartableRedis(redisServer, settings.redis),
  ]);
  return { postgres, redis };
}

/** The path of `redis-server`, for several servers that know of one another. */
export function redisProgram(apt = new Apt(say)): Promise<string> {
  return programOrApt(
    apt,
    async () => (await findRedisServer()) ?? { reason: 'no redis-server on the PATH' },
    async () => 'redis-server',
  );
}

/** Beside those that they have. */
export type ServerSettings = { postgres?: Record<string, string>; redis?: Record<string, string> };

export type RestartableServers = Record<'postgres' | 'redis', { url: string; server: RestartableServer }>;

async function programOrApt<T extends string | object>(
  apt: Apt,
  find: () => Promise<T | Closed>,
  choosePackage: () => Promise<string | Closed>,
): Promise<T> {
  const isMissing = (found: T | Closed): found is Closed => typeof found === 'object' && isClosed(found);
  const found = await find();
  if (!isMissing(found)) return found;
  const closed = await apt.install(choosePackage);
  const installed = closed ?? (await find());
  if (isMissing(installed))
    throw new Error(`these tests have servers of their own: ${found.reason}; apt-get: ${installed.reason}`);
  return installed;
}

async function choosePostgres(): Promise<string | Closed> {
  const installed = await postgresInstallations();
  return choosePostgisPackage(installed.map(({ major }) => major));
}

function postgresWays(url: string | undefined, apt: Apt): Way[] {
  return [
    givenByUrl('TEST_DATABASE_URL', url),
    { name: 'Docker', open: startPostgisContainer },
    ...binariesAndApt(apt, startInstalledPostgres, choosePostgres),
  ];
}

function redisWays(url: string | undefined, apt: Apt): Way[] {
  return [
    givenByUrl('TEST_REDIS_URL', url),
    { name: 'Docker', open: startRedisContainer },
    ...binariesAndApt(apt, startInstalledRedis, async () => 'redis-server'),
  ];
}

function binariesAndApt(
  apt: Apt,
  start: () => Promise<RunningService | Closed>,
  choosePackage: () => Promise<string | Closed>,
): Way[] {
  return [
    { name: 'programs on this machine', open: start },
    { name: 'apt-get', open: async () => (await apt.install(choosePackage)) ?? start() },
  ];
}

async function startInstalledPostgres(): Promise<RunningService | Closed> {
  const installation = await findPostgres();
  return isClosed(installation) ? installation : startPostgres(installation);
}

async function startInstalledRedis(): Promise<RunningService | Closed> {
  const binary = await findRedisServer();
  return binary === undefined ? { reason: 'no redis-server on the PATH' } : startRedis(binary);
}

function say(line: string): void {
  process.stderr.write(`Test services: ${line}\n`);
}
