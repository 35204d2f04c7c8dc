import type { Identity } from '../auth/identity.ts';
import { errorsNamespace } from '../auth/permissions.ts';
import type { Refusal } from '../errors.ts';
import type { ErrorMessage } from '../schemas/outgoing.ts';
import { topicFor } from '../topics.ts';
import type { Publisher } from './publisher.ts';

/** Long names come from wild publishes: enough of one to recognise it. */
const MAX_TOPIC_SHOWN = 256;

/**
 * Tells a sender, on its errors topic, that what it published on `topic` was refused. Where that can't be kept for a sender that is away, one
 * that is here is told all the same: most of all that there is no room.
 */
export async function reportRefusal(
  publisher: Publisher,
  identity: Pick<Identity, 'sub' | 'role'>,
  topic: string,
  { code, message, retryAfterMs }: Refusal,
): Promise<void> {
  const content: ErrorMessage = {
    code,
    message,
    topic: topic.slice(0, MAX_TOPIC_SHOWN),
    at: new Date().toISOString(),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
  const errors = errorsNamespace(identity) === 'drivers' ? 'driverErrors' : 'riderErrors';
  const report = { topic: topicFor(errors, identity.sub), payload: Buffer.from(JSON.stringify(content)) };
  try {
    await publisher.notify(report);
  } catch (error) {
    publisher.stream(report.topic, report.payload);
    throw error;
  }
}
