import type { AedesOptions } from 'aedes';
import type { Admission, BacklogResult, LiveResult } from '../shared/admission/index.ts';
import { TokenError } from '../shared/auth/token-error.ts';
import type { TokenVerifier } from '../shared/auth/verify.ts';
import type { SetDriverStatus } from '../shared/driver-status/index.ts';
import type { ErrorCode, Refusal } from '../shared/errors.ts';
import { publishDriverStatus } from '../shared/messages/driver-status.ts';
import { reportRefusal } from '../shared/messages/errors.ts';
import type { Publisher } from '../shared/messages/publisher.ts';
import { fieldErrors, sentence } from '../shared/schemas/ajv.ts';
import { validateDriverStatus } from '../shared/schemas/driver-status.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import type { Metrics } from '../shared/telemetry/metrics.ts';
import { matchTopic, type TopicName } from '../shared/topics.ts';
import { DEALT_WITH } from './fleet-broker.ts';
import type { Session, SessionClient } from './session.ts';
import type { SessionExpiry } from './session-expiry.ts';

export type PublishOptions = {
  admission: Admission;
  verifier: TokenVerifier;
  expiry: SessionExpiry;
  setDriverStatus: SetDriverStatus;
  publisher: Publisher;
  metrics: Metrics;
  log: Logger;
};

type Packet = { topic: string; payload: string | Buffer; qos: number; [DEALT_WITH]?: boolean };

/** One publish on its way through the broker. */
type Incoming = {
  client: SessionClient;
  session: Session;
  packet: Packet;
  /** The id in the topic. */
  id: string;
  /** Epoch ms. */
  receivedAt: number;
  acknowledge(): void;
};

const positionTopics: ReadonlySet<TopicName> = new Set<TopicName>(['driverLocation', 'driverBacklog']);

/**
 * PUBLISH: authorise → parse → admit → acknowledge. It all happens in Aedes' `authorizePublish`, since Aedes sends the
 * acknowledgement right after it and publishes only then. What is refused is acknowledged all the same (MQTT 3.1.1 has no
 * negative acknowledgement) and reported on the sender's errors topic.
 */
export function createPublishHandler(options: PublishOptions): NonNullable<AedesOptions['authorizePublish']> {
  const { admission, verifier, expiry, setDriverStatus, publisher, metrics, log } = options;

  function report({ session, packet }: Incoming, refusal: Refusal): void {
    reportRefusal(publisher, session.identity, packet.topic, refusal).catch((error: unknown) =>
      log.warn({ err: error, sub: session.identity.sub }, 'a refusal could not be reported'),
    );
  }

  function refuse(incoming: Incoming, code: ErrorCode, message: string): void {
    const name = matchTopic(incoming.packet.topic)?.name;
    if (name !== undefined && positionTopics.has(name)) metrics.positions.inc({ verdict: code });
    else metrics.refusals.inc({ code });
    report(incoming, { code, message });
    incoming.acknowledge();
  }

  /** Not acknowledged, so that a QoS 1 client sends it again when it comes back. */
  function leaveUnacknowledged({ client, session, packet, acknowledge }: Incoming): void {
    if (packet.qos === 0) return acknowledge();
    log.debug({ sub: session.identity.sub }, 'closed, so that it sends again what could not be kept');
    client.close();
  }

  function settle(incoming: Incoming, result: LiveResult | BacklogResult): void {
    if (result === undefined) return leaveUnacknowledged(incoming);
    if ('refusal' in result) {
      report(incoming, result.refusal);
      if (result.refusal.code === 'OVERLOADED') return leaveUnacknowledged(incoming);
    }
    if ('rejected' in result) for (const refusal of summarise(result.rejected)) report(incoming, refusal);
    metrics.admission.observe((Date.now() - incoming.receivedAt) / 1000);
    incoming.acknowledge();
  }

  async function renew({ client, session, packet }: Incoming): Promise<Refusal | undefined> {
    try {
      const identity = await verifier.verify(packet.payload.toString().trim());
      if (identity.sub !== session.identity.sub || identity.role !== session.identity.role)
        return { code: 'FORBIDDEN', message: 'the token is for another sub or role' };
      session.identity = identity;
      if (!client.closed) expiry.watch(client, identity.expiresAt);
      return undefined;
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      return { code: 'FORBIDDEN', message: error.message };
    }
  }

  async function reportStatus({ id, receivedAt }: Incoming, payload: unknown): Promise<Refusal | undefined> {
    if (!validateDriverStatus(payload))
      return {
        code: 'INVALID_PAYLOAD',
        message: sentence(fieldErrors(validateDriverStatus.errors), 'the status message'),
      };
    await setDriverStatus(id, payload.status, receivedAt);
    await publishDriverStatus(publisher, id, payload.status, receivedAt);
    return undefined;
  }

  /** Acknowledges once the work is done; when it can't be done now, the client may send it again. */
  function whenDone(incoming: Incoming, work: Promise<Refusal | undefined>): void {
    work.then(
      (refusal) =>
        refusal === undefined ? incoming.acknowledge() : refuse(incoming, refusal.code, refusal.message),
      (error: unknown) => {
        log.error({ err: error, topic: incoming.packet.topic }, 'a message could not be handled');
        leaveUnacknowledged(incoming);
      },
    );
  }

  function handle(name: TopicName, incoming: Incoming): void {
    if (name === 'sessionToken') return whenDone(incoming, renew(incoming));
    const payload = parseJson(incoming.packet.payload);
    if (payload === undefined) return refuse(incoming, 'INVALID_PAYLOAD', 'the payload is not JSON');
    switch (name) {
      case 'driverLocation':
        return admission.live(incoming.id, payload, incoming.receivedAt, (result) =>
          settle(incoming, result),
        );
      case 'driverBacklog':
        return admission.backlog(incoming.id, payload, incoming.receivedAt, (result) =>
          settle(incoming, result),
        );
      case 'driverStatus':
        return whenDone(incoming, reportStatus(incoming, payload));
      default:
        return refuse(incoming, 'TRIP_NOT_FOUND', 'there is no such trip');
    }
  }

  return (aedesClient, packet, callback) => {
    const client = aedesClient as SessionClient | null;
    const session = client?.session;
    if (client === null || session === undefined) return callback(new Error('no session'));
    (packet as Packet)[DEALT_WITH] = true;
    // A will comes when the connection is closed: nothing is acknowledged any more
    const acknowledge = client.closed ? () => callback(null) : session.acks.take(() => callback(null));
    const match = matchTopic(packet.topic);
    const incoming: Incoming = {
      client,
      session,
      packet: packet as Packet,
      id: match?.id ?? '',
      receivedAt: Date.now(),
      acknowledge,
    };
    if (match === undefined || match.topic.publish(session.identity, match.id) === 'refused')
      return refuse(incoming, 'FORBIDDEN', 'you may not publish to this topic');
    handle(match.name, incoming);
  };
}

/** undefined: not JSON. (JSON itself has no undefined.) */
function parseJson(payload: string | Buffer): unknown {
  try {
    return JSON.parse(payload.toString());
  } catch {
    return undefined;
  }
}

/** One report a code, not one a position: a batch can hold 500. */
function summarise(rejected: readonly { index: number; code: ErrorCode; message: string }[]): Refusal[] {
  const byCode = new Map<ErrorCode, { index: number; message: string }[]>();
  for (const { code, ...rest } of rejected) byCode.set(code, [...(byCode.get(code) ?? []), rest]);
  return [...byCode].map(([code, items]) => {
    const shown = items.slice(0, 3).map(({ index, message }) => `position ${index}: ${message}`);
    const more = items.length > shown.length ? `; and ${items.length - shown.length} more` : '';
    return { code, message: shown.join('; ') + more };
  });
}
