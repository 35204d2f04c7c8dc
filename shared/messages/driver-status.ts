import type { DriverStatus } from '../schemas/driver-status.ts';
import type { DriverStatusMessage } from '../schemas/outgoing.ts';
import { topicFor } from '../topics.ts';
import type { Publisher } from './publisher.ts';

/** The retained status of a driver. `receivedAt`: epoch ms. */
export function publishDriverStatus(
  publisher: Publisher,
  driverId: string,
  status: DriverStatus,
  receivedAt: number,
): Promise<void> {
  const message: DriverStatusMessage = { status, driverId, receivedAt: new Date(receivedAt).toISOString() };
  return publisher.notify({
    topic: topicFor('driverStatus', driverId),
    payload: Buffer.from(JSON.stringify(message)),
    retain: true,
  });
}
