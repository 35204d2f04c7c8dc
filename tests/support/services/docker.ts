import type { StartedTestContainer } from 'testcontainers';
import { reasonOf } from './reason.ts';
import type { Closed, RunningService } from './ways.ts';

const POSTGIS_IMAGE = 'postgis/postgis:15-3.4';
const REDIS_IMAGE = 'redis:7';

// Loaded when asked for: half a second that a run with given URLs need not wait.
const testcontainers = () => import('testcontainers');

export async function startPostgisContainer(): Promise<RunningService | Closed> {
  return startContainer(POSTGIS_IMAGE, async () => {
    const { GenericContainer, Wait } = await testcontainers();
    const container = await new GenericContainer(POSTGIS_IMAGE)
      // Published for this platform alone; other processors emulate it.
      .withPlatform('linux/amd64')
      .withEnvironment({ POSTGRES_PASSWORD: 'fleetcast' })
      .withCommand(['postgres', '-c', 'fsync=off', '-c', 'full_page_writes=off', '-c', 'max_connections=200'])
      .withExposedPorts(5432)
      // The image starts the server twice, the first time only to prepare the database.
      .withWaitStrategy(Wait.forLogMessage('database system is ready to accept connections', 2))
      .start();
    const url = `postgresql://postgres:fleetcast@${addressOf(container, 5432)}/postgres`;
    return running(container, url, POSTGIS_IMAGE);
  });
}

export async function startRedisContainer(): Promise<RunningService | Closed> {
  return startContainer(REDIS_IMAGE, async () => {
    const { GenericContainer } = await testcontainers();
    const container = await new GenericContainer(REDIS_IMAGE)
      .withCommand(['redis-server', '--save', '', '--appendonly', 'no'])
      .withExposedPorts(6379)
      .start();
    return running(container, `redis://${addressOf(container, 6379)}`, REDIS_IMAGE);
  });
}

/** Docker without the image, and no way to fetch it, is like no Docker: the next way may be open. */
async function startContainer(
  image: string,
  start: () => Promise<RunningService>,
): Promise<RunningService | Closed> {
  const { getContainerRuntimeClient } = await testcontainers();
  try {
    await getContainerRuntimeClient();
  } catch (error) {
    return { reason: `does not answer (${reasonOf(error)})` };
  }
  try {
    return await start();
  } catch (error) {
    return { reason: `answers, but ${image} did not start (${reasonOf(error)})` };
  }
}

function running(container: StartedTestContainer, url: string, image: string): RunningService {
  return {
    url,
    description: image,
    stop: async () => {
      await container.stop();
    },
  };
}

function addressOf(container: StartedTestContainer, port: number): string {
  return `${container.getHost()}:${container.getMappedPort(port)}`;
}
