import type { Platform } from '../platform.ts';
import { token } from '../platform.ts';
import { type RoamingClient, roam } from './roaming-client.ts';

const PUBLISH_EVERY_MS = 150;

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
  async move(tripId: string, status: string): Promise<void> {
    await this.roaming.client.publishAsync(`trips/${tripId}/transition`, JSON.stringify({ status }), {
      qos: 1,
    });
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
    this.roaming.client.publish(
      `drivers/${this.id}/location`,
      JSON.stringify(position),
      { qos: 1 },
      (error) => {
        // Only when the test ends it
        if (error) return;
        this.acknowledged.add(recordedAt);
        this.ackTimes.push({ at: Date.now(), took: Date.now() - recordedAt });
      },
    );
  }
}
