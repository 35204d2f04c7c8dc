import type { IPublishPacket } from 'mqtt';
import { type Platform, token } from '../platform.ts';
import type { LocationMessage, StatusMessage } from '../trips.ts';
import { type RoamingClient, roam } from './roaming-client.ts';

type Heard = { version: number; dup: boolean; retain: boolean; at: number };
type Seen = { recordedAt: number; retain: boolean; at: number };

/** Follows one trip over WebSocket, with a session that waits for it. */
export class ChaosRider {
  readonly tripId: string;
  readonly statuses: Heard[] = [];
  readonly places: Seen[] = [];
  private readonly roaming: RoamingClient;

  private constructor(tripId: string, roaming: RoamingClient) {
    this.tripId = tripId;
    this.roaming = roaming;
  }

  static async start(
    id: string,
    tripId: string,
    brokers: readonly Platform[],
    first: number,
  ): Promise<ChaosRider> {
    const roaming = await roam(brokers, first, 'ws', {
      clientId: 'phone',
      password: await token('RIDER', id),
      clean: false,
    });
    const rider = new ChaosRider(tripId, roaming);
    roaming.client.on('message', (topic, payload, packet) => rider.hear(topic, payload, packet));
    await roaming.client.subscribeAsync(`trips/${tripId}/#`, { qos: 1 });
    return rider;
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

  get newest(): number {
    return this.statuses.reduce((newest, { version }) => Math.max(newest, version), 0);
  }

  /** Versions that never came, though a later one did. */
  get missed(): number[] {
    const heard = new Set(this.statuses.map(({ version }) => version));
    return Array.from({ length: this.newest }, (_, index) => index + 1).filter(
      (version) => !heard.has(version),
    );
  }

  /** Versions that came again though they were marked neither as sent again nor as what stood before. */
  get repeated(): number {
    const heard = new Set<number>();
    return this.statuses.filter(({ version, dup, retain }) => {
      const again = heard.has(version);
      heard.add(version);
      return again && !dup && !retain;
    }).length;
  }

  /** Versions that came for the first time after a newer one. */
  get outOfOrder(): number[] {
    const first = [...new Set(this.statuses.map(({ version }) => version))];
    return first.filter((version, index) => version < Math.max(0, ...first.slice(0, index)));
  }

  /** Places older than one that was shown before. */
  get wentBack(): number {
    let newest = 0;
    return this.places.filter(({ recordedAt }) => {
      const isOlder = recordedAt < newest;
      newest = Math.max(newest, recordedAt);
      return isOlder;
    }).length;
  }

  async end(): Promise<void> {
    await this.roaming.client.endAsync(true);
  }

  private hear(topic: string, payload: Buffer, { dup, retain }: IPublishPacket): void {
    const at = Date.now();
    if (topic.endsWith('/status')) {
      const { version } = JSON.parse(payload.toString()) as StatusMessage;
      this.statuses.push({ version, dup, retain, at });
    } else if (topic.endsWith('/location')) {
      const { recordedAt } = JSON.parse(payload.toString()) as LocationMessage;
      this.places.push({ recordedAt: Date.parse(recordedAt), retain, at });
    }
  }
}
