import { createMigratedDatabase, type TestDatabase } from './database.ts';
import { json } from './fleet.ts';
import { connectClient, type Received, type TestClient } from './mqtt-client.ts';
import { type Platform, request, startPlatform, token } from './platform.ts';
import { pickup } from './trips.ts';

export const GRACE_MS = 1500;

type StatusMessage = { status: string; driverId: string; receivedAt: string };

const isStatus =
  (driverId: string, status?: string) =>
  ({ topic, payload }: Received): boolean =>
    topic === `drivers/${driverId}/status` &&
    (status === undefined || (payload as StatusMessage).status === status);

/** A platform with a short grace time, and an operator who watches how its drivers come and go. */
export class WatchedDrivers {
  private database: TestDatabase | undefined;
  private running: Platform | undefined;
  private watcher: TestClient | undefined;
  private drivers = 0;

  get platform(): Platform {
    if (this.running === undefined) throw new Error('not started');
    return this.running;
  }

  async start(): Promise<void> {
    this.database ??= await createMigratedDatabase();
    this.running = await startPlatform({
      DATABASE_URL: this.database.url,
      OFFLINE_GRACE_MS: String(GRACE_MS),
    });
    this.watcher = await connectClient(this.platform.urls.mqtt, await token('OPERATOR', 'watcher'));
    await this.watcher.client.subscribeAsync('drivers/+/status', { qos: 1 });
  }

  async restart(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await (signal === 'SIGTERM' ? this.platform.stop() : this.platform.kill());
    await this.watcher?.end();
    await this.start();
  }

  async stop(): Promise<void> {
    await this.watcher?.end();
    await this.running?.stop();
    await this.database?.drop();
  }

  newDriver(): string {
    return `driver-${this.drivers++}`;
  }

  async connect(driverId: string, options: Parameters<typeof connectClient>[2] = {}): Promise<TestClient> {
    return connectClient(this.platform.urls.mqtt, await token('DRIVER', driverId), options);
  }

  /** The changes that the operator was told of a driver. */
  toldOf(driverId: string): string[] {
    return (this.watcher?.received ?? [])
      .filter(isStatus(driverId))
      .map(({ payload }) => (payload as StatusMessage).status)
      .filter((status, index, all) => status !== all[index - 1]);
  }

  told(driverId: string, status: string): Promise<Received> {
    return this.next(isStatus(driverId, status));
  }

  /** Settles once these are the changes that were told of a driver; fails when they never are. */
  toldSo(driverId: string, ...statuses: string[]): Promise<Received> {
    return this.next(() => this.toldOf(driverId).join() === statuses.join());
  }

  /** Whatever was on its way to the operator before this has come. */
  async everythingTold(): Promise<void> {
    const marker = this.newDriver();
    await this.as('SERVICE', 'PUT', `/v1/drivers/${marker}/status`, { status: 'BUSY' });
    await this.told(marker, 'BUSY');
  }

  async as(role: 'OPERATOR' | 'SERVICE', method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await request(this.platform, await token(role, 'asker'), method, path, body);
    if (answer.status >= 300)
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  async storedOf(driverId: string): Promise<string> {
    return ((await this.as('OPERATOR', 'GET', `/v1/drivers/${driverId}/location`)) as { status: string })
      .status;
  }

  async nearbyOf(driverId: string): Promise<string | undefined> {
    const path = `/v1/drivers/nearby?latitude=${pickup.latitude}&longitude=${pickup.longitude}&limit=100`;
    const { items } = (await this.as('OPERATOR', 'GET', path)) as { items: StatusMessage[] };
    return items.find((item) => item.driverId === driverId)?.status;
  }

  /** What a client is told that subscribes now. */
  async retainedOf(driverId: string): Promise<Received> {
    const late = await connectClient(this.platform.urls.ws, await token('OPERATOR', 'late'));
    try {
      await late.client.subscribeAsync(`drivers/${driverId}/status`, { qos: 1 });
      return await late.next(isStatus(driverId));
    } finally {
      await late.end();
    }
  }

  private next(fits: (message: Received) => boolean): Promise<Received> {
    if (this.watcher === undefined) throw new Error('not started');
    return this.watcher.next(fits, 20_000);
  }
}

export const will = (driverId: string, status = 'OFFLINE') => ({
  will: {
    topic: `drivers/${driverId}/status`,
    payload: Buffer.from(json({ status })),
    qos: 1 as const,
    retain: true,
  },
});

export const say = ({ client }: TestClient, driverId: string, status: string) =>
  client.publishAsync(`drivers/${driverId}/status`, json({ status }), { qos: 1 });

export const drive = ({ client }: TestClient, driverId: string) =>
  client.publishAsync(`drivers/${driverId}/location`, json(pickup), { qos: 1 });

/** The connection is cut, without a DISCONNECT. */
export const cut = ({ client }: TestClient) =>
  new Promise<void>((resolve) => {
    client.once('close', () => resolve());
    client.stream.destroy();
  });
