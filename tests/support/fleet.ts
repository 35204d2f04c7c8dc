import { connect, type IClientOptions } from 'mqtt';
import type { Role } from '../../shared/auth/identity.ts';
import { createMigratedDatabase } from './database.ts';
import { connectClient, type Received, type TestClient, watch } from './mqtt-client.ts';
import { type Platform, request, startPlatform, token } from './platform.ts';

/** A platform with a database of its own, and the clients that a test connects to it. */
export type Fleet = {
  platform: Platform;
  databaseUrl: string;
  token: TokenMaker;
  /** mqtt.js over TCP, logged in; closed with the fleet. */
  client(
    role: Role,
    sub: string,
    options?: IClientOptions & { url?: string; trips?: string[] },
  ): Promise<TestClient>;
  /** The same with a session that outlives the connection: also what waits in it is received. */
  returning(role: Role, sub: string, clientId: string): Promise<TestClient & { sessionPresent: boolean }>;
  /** A client that has subscribed. Fails when a filter is refused. */
  subscriber(role: Role, sub: string, filters: string | string[], qos?: 0 | 1 | 2): Promise<TestClient>;
  /** All that is stored of a driver, oldest first, through REST. */
  history(driverId: string): Promise<StoredPosition[]>;
  stop(): Promise<void>;
};

/** Of the tests' own secret, unless the platform of a test has another key. */
export type TokenMaker = typeof token;

export type StoredPosition = { latitude: number; longitude: number; recordedAt: string; receivedAt: string };

export async function startFleet(
  env: Record<string, string> = {},
  makeToken: TokenMaker = token,
): Promise<Fleet> {
  const database = await createMigratedDatabase();
  const platform = await startPlatform({ DATABASE_URL: database.url, ...env });
  const clients: TestClient[] = [];
  const keep = <T extends TestClient>(client: T): T => {
    clients.push(client);
    return client;
  };
  const fleet: Fleet = {
    platform,
    databaseUrl: database.url,
    token: makeToken,
    async client(role, sub, { url = platform.urls.mqtt, trips, ...options } = {}) {
      const bearer = await makeToken(role, sub, trips === undefined ? {} : { trips });
      return keep(await connectClient(url, bearer, options));
    },
    async returning(role, sub, clientId) {
      const client = connect(platform.urls.mqtt, {
        username: 'x',
        password: await makeToken(role, sub),
        clientId,
        clean: false,
        reconnectPeriod: 0,
      });
      // Before it is connected: what waited comes at once
      const watched = keep(watch(client));
      const sessionPresent = await new Promise<boolean>((resolve, reject) => {
        client.once('connect', (packet) => resolve(packet.sessionPresent));
        client.once('close', () => reject(new Error('closed before CONNACK')));
      });
      return { ...watched, sessionPresent };
    },
    async subscriber(role, sub, filters, qos = 0) {
      const subscriber = await fleet.client(role, sub);
      await subscriber.client.subscribeAsync(filters, { qos });
      return subscriber;
    },
    async history(driverId) {
      const bearer = await makeToken('SERVICE', 'historian');
      const stored: StoredPosition[] = [];
      let cursor: string | null = '';
      while (cursor !== null) {
        const path = `/v1/drivers/${driverId}/history?limit=1000${cursor === '' ? '' : `&cursor=${cursor}`}`;
        const { status, body } = await request(platform, bearer, 'GET', path);
        if (status !== 200) throw new Error(`history: ${status} ${JSON.stringify(body)}`);
        const page = body as { items: StoredPosition[]; nextCursor: string | null };
        stored.push(...page.items);
        cursor = page.nextCursor;
      }
      return stored;
    },
    async stop() {
      await Promise.all(clients.map((client) => client.end()));
      await platform.stop();
      await database.drop();
    },
  };
  return fleet;
}

/** Vienna, with whatever a test wants otherwise. */
export const position = (fields: Record<string, unknown> = {}): Record<string, unknown> => ({
  latitude: 48.2082,
  longitude: 16.3738,
  ...fields,
});

export const json = (value: unknown) => JSON.stringify(value);

/** Epoch ms as it is written in messages. */
export const iso = (epochMs: number) => new Date(epochMs).toISOString();

/** What stands on an errors topic. */
export type ErrorMessage = {
  code: string;
  message: string;
  topic: string;
  at: string;
  retryAfterMs?: number;
};

export const errorOf = ({ payload }: Received) => payload as ErrorMessage;

export const isError =
  (code: string) =>
  (message: Received): boolean =>
    message.topic.endsWith('/errors') && errorOf(message).code === code;
