import { connectClient, type TestClient } from './mqtt-client.ts';
import { type Platform, request } from './platform.ts';

/** Positions of one driver, each with a recordedAt of its own, and which of them were acknowledged. */
export class PositionSender {
  readonly sent: number[] = [];
  readonly acknowledged = new Set<number>();
  private next = Date.now() - 3_600_000;
  private readonly driverId: string;
  private readonly bearer: string;
  private client: TestClient | undefined;
  private onAcknowledged: () => void = () => undefined;

  constructor(driverId: string, bearer: string) {
    this.driverId = driverId;
    this.bearer = bearer;
  }

  async connect(platform: Platform): Promise<void> {
    this.client = await connectClient(platform.urls.mqtt, this.bearer);
  }

  /** Over MQTT, one by one at QoS 1, as fast as they are taken, until so many are acknowledged. */
  untilAcknowledged(count: number): Promise<void> {
    const goal = this.acknowledged.size + count;
    return new Promise((resolve) => {
      this.onAcknowledged = () => {
        if (this.acknowledged.size >= goal) {
          this.onAcknowledged = () => undefined;
          resolve();
        } else this.publish(this.take(1));
      };
      // So many are always under way
      for (let index = 0; index < 100; index++) this.publish(this.take(1));
    });
  }

  /** Over MQTT, as backlogs of 20 each. Does not wait for them. */
  sendBacklogs(batches: number): void {
    for (let batch = 0; batch < batches; batch++) this.publish(this.take(20));
  }

  /** Over REST, one by one. Ends with the first that has no answer. */
  async post(platform: Platform): Promise<void> {
    try {
      for (;;) {
        const times = this.take(1);
        const path = `/v1/drivers/${this.driverId}/location`;
        const { status } = await request(platform, this.bearer, 'POST', path, payload(times)[0]);
        if (status === 202) this.acknowledge(times);
        else throw new Error(`answered with ${status}`);
      }
    } catch (error) {
      // What fetch says when the server is gone. (Its errors come from outside of Jest's world: no instanceof.)
      if (!(error as Error).message.startsWith('fetch failed')) throw error;
    }
  }

  /** Everything once more, as a device does that does not know what got through. */
  async resend(): Promise<void> {
    const all = this.sent.slice();
    for (let from = 0; from < all.length; from += 500) await this.publishNow(all.slice(from, from + 500));
  }

  async end(): Promise<void> {
    await this.client?.end();
  }

  private take(count: number): number[] {
    const times = Array.from({ length: count }, () => this.next++);
    this.sent.push(...times);
    return times;
  }

  private acknowledge(times: readonly number[]): void {
    for (const time of times) this.acknowledged.add(time);
    this.onAcknowledged();
  }

  private publish(times: readonly number[]): void {
    // One that is lost with its connection is just not acknowledged
    this.publishNow(times).catch(() => undefined);
  }

  private async publishNow(times: readonly number[]): Promise<void> {
    const [topic, content] =
      times.length === 1 ? ['location', payload(times)[0]] : ['locations', payload(times)];
    await this.client?.client.publishAsync(`drivers/${this.driverId}/${topic}`, JSON.stringify(content), {
      qos: 1,
    });
    this.acknowledge(times);
  }
}

const payload = (times: readonly number[]) =>
  times.map((recordedAt) => ({ latitude: 48.2, longitude: 16.37, recordedAt }));

/** recordedAt (epoch ms) of everything in the history of a driver, through REST, page by page. */
export async function readHistory(
  platform: Platform,
  bearer: string,
  driverId: string,
  limit = 1000,
): Promise<number[]> {
  const times: number[] = [];
  let cursor: string | null = null;
  do {
    const query = cursor === null ? '' : `&cursor=${cursor}`;
    const path = `/v1/drivers/${driverId}/history?limit=${limit}${query}`;
    const { status, body } = await request(platform, bearer, 'GET', path);
    if (status !== 200) throw new Error(`history: ${status} ${JSON.stringify(body)}`);
    const page = body as { items: { recordedAt: string }[]; nextCursor: string | null };
    if (page.items.length > limit) throw new Error(`${page.items.length} items in a page of ${limit}`);
    times.push(...page.items.map(({ recordedAt }) => Date.parse(recordedAt)));
    cursor = page.nextCursor;
  } while (cursor !== null);
  return times;
}
