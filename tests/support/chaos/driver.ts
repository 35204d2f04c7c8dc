import type { Platform } from '../platform.ts';
import { token } from '../platform.ts';
import { type RoamingClient, roam } from './roaming-client.ts';

const PUBLISH_EVERY_MS = 150;
const SEND_AGAIN_MS = 100;

/** Drives: a position at QoS 1 every 150 ms, each with a time of its own. What is not acknowledged mqtt.js sends again when it is back. */
export class ChaosDriver {
  readonly id: string;
  /** recordedAt (epoch ms) of all positions, in order. */
  readonly sent: number[] = [];
  readonly acknowledged = new Set<number>();
  /** When each was sent, epoch ms: of the last acknowledgements, how long they took. */
  readonly ackTimes: { at: number; took: number }[] = [];
  /** Codes on its errors topic. */
  readonly errors: string[] = [];
  private timer: NodeJS.Timeout | undefined;
  private readonly roaming: RoamingClient;

  private constructor(id: string, roaming: RoamingClient) {
    this.id = id;
    this.roaming = roaming;
  }

  static async start(id: string, brokers: readonly Platform[], first: number): Promise<ChaosDriver> {
    const roaming = await roam(brokers, first, 'mqtt', {
      clientId: 'phone',
      password: await token('DRIVER', id),
      // Both kinds are about
      clean: first % 2 === 0,
    });
    const driver = new ChaosDriver(id, roaming);
    roaming.client.on('message', (_topic, payload) => {
      driver.errors.push((JSON.parse(payload.toString()) as { code: string }).code);
    });
    await roaming.client.subscribeAsync(`drivers/${id}/errors`, { qos: 1 });
    driver.timer = setInterval(() => driver.publish(), PUBLISH_EVERY_MS);
    return driver;
  }

  get unacknowledged(): number {
    return this.sent.length - this.acknowledged.size;
  }

  get refusals(): readonly number[] {
    return this.roaming.refusals;
  }

  get gaps(): readonly number[] {
    return this.roaming.gaps;
  }

  get forgotten(): number {
    return this.roaming.forgotten;
  }

  /** Resolves with the PUBACK. */
  move(tripId: string, status: string): Promise<void> {
    return this.send(`trips/${tripId}/transition`, JSON.stringify({ status }));
  }

  park(): void {
    clearInterval(this.timer);
  }

  async end(): Promise<void> {
    this.park();
    await this.roaming.client.endAsync(true);
  }

  private publish(): void {
    const recordedAt = Math.max(Date.now(), (this.sent.at(-1) ?? 0) + 1);
    this.sent.push(recordedAt);
    const position = { latitude: 48.2 + this.sent.length / 100_000, longitude: 16.37, recordedAt };
    this.send(`drivers/${this.id}/location`, JSON.stringify(position)).then(
      () => {
        this.acknowledged.add(recordedAt);
        this.ackTimes.push({ at: Date.now(), took: Date.now() - recordedAt });
      },
      // The test is over
      () => undefined,
    );
  }

  /**
   * mqtt.js sends again by itself what it had sent; but what it is given while it does so, and is cut off once more, comes back with
   * an error, and is the app's to send.
   */
  private async send(topic: string, payload: string): Promise<void> {
    for (;;) {
      try {
        await this.roaming.client.publishAsync(topic, payload, { qos: 1 });
        return;
      } catch (error) {
        if (this.roaming.client.disconnecting) throw error;
        await new Promise((resolve) => setTimeout(resolve, SEND_AGAIN_MS));
      }
    }
  }
}
