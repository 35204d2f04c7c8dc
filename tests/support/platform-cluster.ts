import { createTestDatabase, type TestDatabase } from './database.ts';
import { type Platform, startPlatform } from './platform.ts';
import { newPrefix } from './redis.ts';

export type ClusterSize = { brokers: number; ingests: number; apis: number };

export type ClusterOptions = Partial<ClusterSize> & {
  /** For every process. */
  env?: Record<string, string>;
  /** Other than those of the test run: servers of the test's own. */
  databaseServer?: string;
  redisUrl?: string;
  /** Another way to the database: a proxy before it. */
  databaseUrl?: string;
};

export type Role = 'broker' | 'ingest' | 'api';

/** Real processes of the product, each with one role, over one database and one Redis. */
export class PlatformCluster {
  readonly brokers: Platform[] = [];
  readonly ingests: Platform[] = [];
  readonly apis: Platform[] = [];
  /** Those that were killed or ended. */
  readonly gone: Platform[] = [];
  readonly databaseUrl: string;
  private readonly env: Record<string, string>;
  private readonly database: TestDatabase;

  private constructor(database: TestDatabase, { env = {}, databaseUrl, redisUrl }: ClusterOptions) {
    this.database = database;
    this.databaseUrl = database.url;
    this.env = {
      DATABASE_URL: databaseUrl ?? database.url,
      REDIS_URL: redisUrl ?? process.env.TEST_REDIS_URL ?? '',
      REDIS_PREFIX: newPrefix(),
      ...env,
    };
  }

  static async start(options: ClusterOptions = {}): Promise<PlatformCluster> {
    const { brokers = 2, ingests = 2, apis = 1 } = options;
    const cluster = new PlatformCluster(await createTestDatabase(options.databaseServer), options);
    try {
      // One of them migrates, and the others would wait for it
      await cluster.add('api');
      await Promise.all([
        ...Array.from({ length: brokers }, () => cluster.add('broker')),
        ...Array.from({ length: ingests }, () => cluster.add('ingest')),
        ...Array.from({ length: apis - 1 }, () => cluster.add('api')),
      ]);
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** One more process. `env`: what differs from the others. */
  async add(role: Role, env: Record<string, string> = {}): Promise<Platform> {
    const process = await startPlatform({ ...this.env, ROLE: role, ...env });
    this.of(role).push(process);
    return process;
  }

  /** Another one in the place of one that is gone, with the same addresses. */
  async replace(role: Role, { ports }: Platform): Promise<Platform> {
    const { mqtt, ws, api, metrics } = ports;
    return this.add(role, {
      MQTT_PORT: String(mqtt),
      MQTT_WS_PORT: String(ws),
      API_PORT: String(api),
      METRICS_PORT: String(metrics),
    });
  }

  /** kill -9, and it is none of the cluster's any more. */
  async kill(role: Role, index = 0): Promise<Platform> {
    const [process] = this.of(role).splice(index, 1);
    if (process === undefined) throw new Error(`there is no ${role} ${index}`);
    this.gone.push(process);
    await process.kill();
    return process;
  }

  /** SIGTERM; its exit status. */
  async end(role: Role, index = 0): Promise<number | null> {
    const [process] = this.of(role).splice(index, 1);
    if (process === undefined) throw new Error(`there is no ${role} ${index}`);
    this.gone.push(process);
    return process.stop();
  }

  /** The first api: for `request`. */
  get api(): Platform {
    const [api] = this.apis;
    if (api === undefined) throw new Error('there is no api');
    return api;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.brokers, ...this.ingests, ...this.apis].map((process) => process.stop()));
    await this.database.drop();
  }

  private of(role: Role): Platform[] {
    return { broker: this.brokers, ingest: this.ingests, api: this.apis }[role];
  }
}
