import type { Admission, BacklogResult, LiveResult } from '../shared/admission/index.ts';
import { TokenError } from '../shared/auth/token-error.ts';
import type { TokenVerifier } from '../shared/auth/verify.ts';
import type { ConnectionLog } from '../shared/connections/index.ts';
import { admitDevicePosition } from '../shared/devices/admit.ts';
import { readOwnTracks } from '../shared/devices/owntracks.ts';
import type { ErrorCode, Refusal } from '../shared/errors.ts';
import { uuidPattern } from '../shared/ids.ts';
import { parseJson } from '../shared/json.ts';
import { reportRefusal } from '../shared/messages/errors.ts';
import type { Publisher } from '../shared/messages/publisher.ts';
import type { DriverPresence } from '../shared/presence/index.ts';
import { fieldErrors, sentence } from '../shared/schemas/ajv.ts';
import { validateDriverStatus } from '../shared/schemas/driver-status.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import type { Metrics } from '../shared/telemetry/metrics.ts';
import type { Traces } from '../shared/telemetry/traces/index.ts';
import { startPublish } from '../shared/telemetry/traces/steps.ts';
import { matchTopic, type TopicName } from '../shared/topics.ts';
import type { TransitionDoor } from '../shared/trips/transition-door.ts';
import { parseTransition } from '../shared/trips/transition-message.ts';
import { holdOff } from './hold-off.ts';
import type { Incoming } from './incoming.ts';
import { insist } from './insist.ts';
import type { Policy } from './policy.ts';
import { aboutClient, type SessionClient } from './session.ts';
import type { SessionExpiry } from './session-expiry.ts';
import { summarise } from './summarise.ts';
import { isTopicTooLarge, type TopicLimits } from './topic-size.ts';

export type PublishOptions = {
  settings: { limits: TopicLimits };
  admission: Admission;
  verifier: TokenVerifier;
  expiry: SessionExpiry;
  /** A session goes on with another token. */
  renewed(client: SessionClient): void;
  presence: DriverPresence;
  connectionLog: Pick<ConnectionLog, 'active'>;
  transitions: TransitionDoor;
  publisher: Publisher;
  metrics: Metrics;
  /** undefined: nothing is traced. */
  traces?: Traces | undefined;
  log: Logger;
};

/** As over REST, where tokens can't be checked. */
const CHECK_AGAIN_MS = 5000;

/** With a step that ends with its acknowledgement. `template`: of its topic. */
function trace(traces: Traces, incoming: Incoming, template: string): void {
  const { packet, session, acknowledge } = incoming;
  const step = startPublish(traces, template, {
    qos: packet.qos,
    bytes: packet.payload.length,
    connectionId: session.connectionId,
  });
  if (step === undefined) return;
  incoming.step = step;
  incoming.acknowledge = () => {
    step.end();
    acknowledge();
  };
}

const positionTopics = new Set<TopicName>(['driverLocation', 'driverBacklog', 'ownTracks']);

/**
 * PUBLISH: authorise → parse → admit → acknowledge. What is refused is acknowledged all the same (MQTT 3.1.1 has no negative
 * acknowledgement) and reported on the sender's errors topic.
 */
export function createAdmittingPublish(options: PublishOptions): Policy['publish'] {
  const { limits } = options.settings;
  const {
    admission,
    verifier,
    expiry,
    renewed,
    presence,
    connectionLog,
    transitions,
    publisher,
    metrics,
    traces,
    log,
  } = options;

  function report({ client, session, packet }: Incoming, refusal: Refusal): void {
    reportRefusal(publisher, session.identity, packet.topic, refusal).catch((error: unknown) =>
      log.warn({ err: error, ...aboutClient(client) }, 'a refusal could not be reported'),
    );
  }

  function refuse(incoming: Incoming, code: ErrorCode, message: string, more: Partial<Refusal> = {}): void {
    const name = matchTopic(incoming.packet.topic)?.name;
    if (name !== undefined && positionTopics.has(name)) metrics.positions.count(code);
    else metrics.refusals.count(code);
    incoming.step?.set({ 'fleetcast.verdict': code });
    report(incoming, { ...more, code, message });
    incoming.acknowledge();
  }

  /** Not acknowledged, so that a QoS 1 client sends it again when it comes back. */
  function leaveUnacknowledged({ client, packet, acknowledge, step }: Incoming): void {
    if (packet.qos === 0) return acknowledge();
    step?.end('NOT_KEPT');
    log.debug(aboutClient(client), 'closed, so that it sends again what could not be kept');
    client.close();
  }

  function settle(incoming: Incoming, result: LiveResult | BacklogResult): void {
    if (result === undefined) return leaveUnacknowledged(incoming);
    if ('refusal' in result) {
      report(incoming, result.refusal);
      const { code, retryAfterMs = 0 } = result.refusal;
      incoming.step?.set({ 'fleetcast.verdict': code });
      if (code === 'OVERLOADED' && incoming.packet.qos > 0) {
        incoming.step?.end(code);
        return holdOff(incoming.client, retryAfterMs);
      }
    }
    if ('verdict' in result) incoming.step?.set({ 'fleetcast.verdict': result.verdict });
    if ('rejected' in result) for (const refusal of summarise(result.rejected)) report(incoming, refusal);
    metrics.admission.observe((Date.now() - incoming.receivedAt) / 1000);
    incoming.acknowledge();
  }

  async function renew({ client, session, packet }: Incoming): Promise<Refusal | undefined> {
    try {
      const identity = await verifier.verify(packet.payload.toString().trim());
      const { sub, role, expiresAt } = session.identity;
      if (identity.sub !== sub || identity.role !== role)
        return { code: 'FORBIDDEN', message: 'the token is for another sub or role' };
      // One that was long on its way, or is sent again, must not cut short what a later one has given
      if (identity.expiresAt < expiresAt)
        return { code: 'FORBIDDEN', message: 'the token ends before the one that the session has' };
      session.identity = identity;
      if (client.closed) return undefined;
      expiry.watch(client, identity.expiresAt);
      renewed(client);
      return undefined;
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      // It may be good: whoever can tell does not answer
      if (error.reason === 'unavailable')
        return { code: 'OVERLOADED', message: error.message, retryAfterMs: CHECK_AGAIN_MS };
      return { code: 'FORBIDDEN', message: error.message };
    }
  }

  async function reportStatus(
    { isWill, id, receivedAt }: Incoming,
    payload: unknown,
  ): Promise<Refusal | undefined> {
    if (!validateDriverStatus(payload))
      return {
        code: 'INVALID_PAYLOAD',
        message: sentence(fieldErrors(validateDriverStatus.errors), 'the status message'),
      };
    if (isWill) await presence.lastWill(id, payload.status, receivedAt);
    else await presence.report(id, payload.status, receivedAt);
    return undefined;
  }

  async function moveTrip(
    { session, id, receivedAt, packet }: Incoming,
    payload: unknown,
  ): Promise<Refusal | undefined> {
    const parsed = parseTransition(payload, receivedAt);
    if ('refusal' in parsed) return parsed.refusal;
    if (!uuidPattern.test(id)) return { code: 'TRIP_NOT_FOUND', message: 'there is no such trip' };
    const { sub, role, trips } = session.identity;
    return transitions.submit({
      ...parsed.transition,
      tripId: id,
      actor: { sub, role, trips },
      topic: packet.topic,
    });
  }

  /** What is not a position takes effect after all that its client sent before. */
  function inOrder(incoming: Incoming, work: () => Promise<Refusal | undefined>): void {
    if (incoming.client.closed || incoming.isFirst) whenDone(incoming, work);
    else incoming.session.acks.afterEarlier(() => whenDone(incoming, work));
  }

  /** Acknowledges once the work is done. What can't be done now waits, not acknowledged, as positions do. */
  function whenDone(incoming: Incoming, work: () => Promise<Refusal | undefined>): void {
    const { client, packet } = incoming;
    const failed = (error: unknown, attempt: number) =>
      log.warn(
        { err: error, ...aboutClient(client), attempt, topic: packet.topic },
        'a message waits: it could not be handled',
      );
    insist(work, () => !client.closed, failed).then(
      (refusal) =>
        refusal === undefined
          ? incoming.acknowledge()
          : refuse(incoming, refusal.code, refusal.message, refusal),
      // Its client has gone, and has it still
      () => leaveUnacknowledged(incoming),
    );
  }

  function takeOwnTracks(incoming: Incoming, payload: unknown): void {
    const message = readOwnTracks(payload);
    if (message.kind === 'other') return incoming.acknowledge();
    if (message.kind === 'malformed')
      return refuse(incoming, 'INVALID_PAYLOAD', `the payload ${message.problem}`);
    admitDevicePosition(
      admission,
      incoming.id,
      message.position,
      incoming.receivedAt,
      (result) => settle(incoming, result),
      incoming.step?.traceparent,
    );
  }

  function handle(name: TopicName, incoming: Incoming): void {
    if (name === 'sessionToken') return inOrder(incoming, () => renew(incoming));
    if (name === 'ownTracksOther') return incoming.acknowledge();
    const payload = parseJson(incoming.packet.payload);
    if (payload === undefined) return refuse(incoming, 'INVALID_PAYLOAD', 'the payload is not JSON');
    switch (name) {
      case 'driverLocation':
        return admission.live(
          incoming.id,
          payload,
          incoming.receivedAt,
          (result) => settle(incoming, result),
          incoming.step?.traceparent,
        );
      case 'driverBacklog':
        return admission.backlog(
          incoming.id,
          payload,
          incoming.receivedAt,
          (result) => settle(incoming, result),
          incoming.step?.traceparent,
        );
      case 'ownTracks':
        return takeOwnTracks(incoming, payload);
      case 'driverStatus':
        return inOrder(incoming, () => reportStatus(incoming, payload));
      case 'tripTransition':
        return inOrder(incoming, () => moveTrip(incoming, payload));
      default:
        return refuse(incoming, 'FORBIDDEN', 'nobody may publish to this topic');
    }
  }

  return (incoming) => {
    const { session, packet, receivedAt } = incoming;
    connectionLog.active(session.connectionId, receivedAt);
    const match = isTopicTooLarge(packet.topic, limits) ? undefined : matchTopic(packet.topic);
    if (traces !== undefined) trace(traces, incoming, match?.topic.pattern ?? '{unknown}');
    if (match === undefined || match.topic.publish(session.identity, match.id) === 'refused')
      return refuse(incoming, 'FORBIDDEN', 'you may not publish to this topic');
    incoming.id = match.id;
    handle(match.name, incoming);
  };
}
